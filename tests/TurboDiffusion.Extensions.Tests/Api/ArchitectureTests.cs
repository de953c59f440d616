using System.Text;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Xunit;

namespace TurboDiffusion.Extensions.Tests.Api;

/// <summary>
/// The order of the engine's folders: each refers to those above it in this list alone. The picture in docs/architecture.md is
/// printed from the same list and from the references that are really there; after a change, run with
/// <c>TURBODIFFUSION_APPROVE_API=1</c> and commit the changed page.
/// </summary>
public partial class ArchitectureTests
{
    private const string Engine = "TurboDiffusion", Page = "docs/architecture.md";
    private const string Begin = "<!-- printed by ArchitectureTests -->", End = "<!-- end -->";

    private static readonly Folder[] Folders =
    [
        new("Errors", "typed errors"),
        new("Runtime", "libtorch, devices, files"),
        new("Runtime/Cuda", "driver, NVRTC, choice of a kernel, GPU memory"),
        new("Runtime/Copies", "pinned host memory, copies beside the kernels"),
        new("Checkpoints", "safetensors · gguf · pth · key rules · strict loader"),
        new("Sampling", "DenoisingLoop, rCM · UniPC · Euler, PhiloxNoise"),
        new("Operators/Normalization", "LayerNorm, RmsNorm, rotary embedding"),
        new("Operators/Convolution", "convolutions of the VAE"),
        new("Operators/Linear", "float and W8A8 layers"),
        new("Operators/Attention", "dense · SLA · SageSLA"),
        new("Operators", "which form each of them runs in"),
        new("Models/Int8", "checkpoints seen in int8, and back"),
        new("Models/Wan", "the transformer, its checkpoints"),
        new("Models/Vae", "frames to latents and back"),
        new("Models/TinyVae", "the same, coarser and fast"),
        new("Models/UMT5", "the text encoder"),
        new("Models/Clip", "the image encoder"),
        new("Models", "what is in a file, random weights"),
        new("Pipelines", "WanPipeline, Denoiser, ImageCondition"),
    ];

    private static readonly Dictionary<string, string> Projects = new()
    {
        ["TurboDiffusion.Cli"] = "the program turbodiffusion",
        ["TurboDiffusion.Orleans"] = "the service on many machines",
        ["TurboDiffusion.AspNetCore"] = "/v1/videos, jobs that outlive the process, a page",
        ["TurboDiffusion.AspNetCore.S3"] = "the service's videos in an object store",
        ["TurboDiffusion.Mcp"] = "tools of an MCP server",
        ["TurboDiffusion.Extensions.AI.OpenAI"] = "VideoClient as IVideoGenerator",
        ["TurboDiffusion.SemanticKernel"] = "the plugin of agents",
        ["TurboDiffusion.ML"] = "the stage of ML.NET",
        ["TurboDiffusion.Extensions.AI"] = "registration, tools, chat",
        ["TurboDiffusion.Abstractions"] = "IVideoGenerator, decorators",
        ["TurboDiffusion.Evaluation"] = "what a model gets right, how real, how fast",
        ["TurboDiffusion.Training"] = "losses, loops, merging",
        ["TurboDiffusion.Generation"] = "VideoModel: request to video file",
        ["TurboDiffusion.ShapeWorld"] = "drawn clips with captions, and reading them",
        ["TurboDiffusion.Models.Shapes"] = "the embedded model, files alone",
    };

    private static readonly string[] Sources = Directory.GetFiles(Path.Combine(Repository.Root, "src", Engine), "*.cs",
        SearchOption.AllDirectories)
        .Where(f => !f.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal)).ToArray();

    [Fact]
    public void Every_folder_refers_to_those_below_it_alone()
    {
        string[] upward = [.. References().Where(r => r.To > r.From)
            .Select(r => $"{r.File}: {Folders[r.From].Name} refers to {Folders[r.To].Name}").Distinct()];
        Assert.True(upward.Length == 0,
            $"The order of the folders ({nameof(ArchitectureTests)}.{nameof(Folders)}) is broken:\n{string.Join('\n', upward)}");
    }

    [Theory]
    [InlineData("Runtime/Cuda/Nvrtc.cs", "using TurboDiffusion.Operators.Linear;", "Operators/Linear")]
    [InlineData("Operators/Linear/Gelu.cs", "using TurboDiffusion.Models.Wan;", "Models/Wan")]
    [InlineData("Sampling/DenoisingLoop.cs", "class C { Pipelines.Denoiser d; }", "Pipelines")]
    [InlineData("Operators/Normalization/Norm.cs", "class C { TurboDiffusion.Operators.Attention.DenseAttention d; }",
        "Operators/Attention")]
    [InlineData("Operators/Normalization/Norm.cs", "class C { Attention.DenseAttention d; }", "Operators/Attention")]
    [InlineData("Operators/Normalization/Norm.cs", "using Above = TurboDiffusion.Operators.Attention;", "Operators/Attention")]
    [InlineData("Runtime/LibTorch.cs", "class C { Cuda.CudaTimer t; }", "Runtime/Cuda")]
    [InlineData("Models/Wan/WanBlock.cs", "class C { RandomCheckpoint c; }", "Models")]
    public void A_reference_upward_is_seen(string file, string added, string to)
    {
        string source = File.ReadAllText(Path.Combine(Repository.Root, "src", Engine, file));
        int from = FolderOf(file);
        Assert.DoesNotContain(Targets(from, source), t => t > from);
        Assert.Contains(to, Targets(from, added + "\n" + source).Where(t => t > from).Select(t => Folders[t].Name));
    }

    [Fact]
    public void A_kernel_and_its_source_are_found_by_one_name()
    {
        string native = Path.Combine(Repository.Root, "native");
        static string Pascal(string name) => string.Concat(name.Split('_').Select(w => char.ToUpperInvariant(w[0]) + w[1..]));
        string[] expected = [.. Directory.GetFiles(native, "*.cu", SearchOption.AllDirectories)
            .Select(source => Path.GetRelativePath(native, source).Split('/', '\\', '.'))
            .Select(path => $"Operators/{Pascal(path[0])}/{Pascal(path[1])}Kernel.cs")];
        string[] files = [.. Sources.Select(Relative)];
        Assert.NotEmpty(expected);
        Assert.Equal(expected.Order(), files.Where(f => Regex.IsMatch(f, @"^Operators/\w+/\w+Kernel\.cs$")).Order());
    }

    // A model is made of operators, and an operator alone knows in which form it runs.
    [Fact]
    public void No_model_names_a_kernel()
    {
        string[] named = [.. from path in Sources
                             let file = Relative(path)
                             where file.StartsWith("Models/", StringComparison.Ordinal)
                             from kernel in Kernels(file, File.ReadAllText(path))
                             select $"{file}: {kernel}"];
        Assert.True(named.Length == 0,
            $"The choice of a kernel belongs to its operator in Operators; models name kernels:\n{string.Join('\n', named)}");
    }

    [Theory]
    [InlineData("using TurboDiffusion.Runtime.Cuda;")]
    [InlineData("class C { Runtime.Cuda.CudaTimer t; }")]
    [InlineData("class C { int most = Sm90CausalConvolutionKernel.MostFrames; }")]
    [InlineData("class C { object o = Int8MatmulKernel.Epilogue.Bias; }")]
    [InlineData("class C { bool Is(AttentionOptions o) => AttentionKernels.Choose(o).IsKernel; }")]
    [InlineData("class C { KernelForm form; }")]
    [InlineData("class C { object o = Sm90CausalConvolutionKernel.Tuning.All; }")]
    public void A_kernel_in_a_model_is_seen(string added)
    {
        const string file = "Models/Vae/CausalConv3d.cs";
        string source = File.ReadAllText(Path.Combine(Repository.Root, "src", Engine, file));
        Assert.Empty(Kernels(file, source));
        Assert.NotEmpty(Kernels(file, added + "\n" + source));
    }

    // Whoever else draws from it, or seeds it, meanwhile, changes what comes: two things that are to be equal are not, once in a while.
    [Fact]
    public void Nobody_seeds_the_generator_that_the_whole_process_draws_from()
    {
        string[] seeding = [.. from folder in (string[])["src", "tests", "samples"]
                               from path in Directory.GetFiles(Path.Combine(Repository.Root, folder), "*.cs", SearchOption.AllDirectories)
                               where Regex.IsMatch(File.ReadAllText(path), @"\bmanual_seed\(")
                               select Path.GetRelativePath(Repository.Root, path)];
        Assert.True(seeding.Length == 0, $"Draw from a torch.Generator of one's own instead:\n{string.Join('\n', seeding)}");
    }

    // All sizes of a tensor, as an array, take 1.8 µs, one takes 0.02: a launch reads ten of them, and a step has a thousand launches.
    [Fact]
    public void One_size_of_a_tensor_is_asked_for_by_itself()
    {
        string[] all = [.. from path in Directory.GetFiles(Path.Combine(Repository.Root, "src"), "*.cs", SearchOption.AllDirectories)
                           from Match one in Regex.Matches(File.ReadAllText(path), @"\w+\.(shape|stride\(\))\[(?![^\]]*\.\.)[^\]]+\]")
                           select $"{Path.GetRelativePath(Repository.Root, path)}: {one.Value}"];
        Assert.True(all.Length == 0, $"Ask for Tensor.size(i) or stride(i):\n{string.Join('\n', all)}");
    }

    // What a test compares is the same every time, whatever ran before and beside it: a limit that one value in a thousand exceeds fails
    // once in a thousand runs. Timings on a GPU, and draws that only disturb another's, are no values of a test.
    [Fact]
    public void Tests_draw_from_generators_of_their_own()
    {
        string[] drawing = [.. from path in Directory.GetFiles(Path.Combine(Repository.Root, "tests"), "*.cs", SearchOption.AllDirectories)
                               where !path.EndsWith("Timings.cs", StringComparison.Ordinal)
                               from Match draw in Draws().Matches(File.ReadAllText(path))
                               where !draw.Value.Contains("generator", StringComparison.Ordinal)
                               select $"{Path.GetRelativePath(Repository.Root, path)}: {draw.Value.Trim()}"];
        Assert.True(drawing.Length == 0, $"Give them a torch.Generator:\n{string.Join('\n', drawing)}");
    }

    [Fact]
    public void The_picture_on_the_page_is_that_of_the_references()
    {
        string path = Path.Combine(Repository.Root, Page), text = File.ReadAllText(path);
        int begin = text.IndexOf(Begin, StringComparison.Ordinal), end = text.IndexOf(End, StringComparison.Ordinal);
        Assert.True(begin >= 0 && end > begin, $"{Page} has no {Begin} … {End}.");
        string expected = text[..(begin + Begin.Length)] + "\n" + Picture() + text[end..];
        if (Environment.GetEnvironmentVariable("TURBODIFFUSION_APPROVE_API") == "1") File.WriteAllText(path, expected);
        else Assert.Equal(expected, text);
    }

    // Every reference from a file of one folder to another folder.
    private static IEnumerable<(string File, int From, int To)> References() =>
        from path in Sources
        let file = Relative(path)
        let folder = FolderOf(file)
        from target in Targets(folder, File.ReadAllText(path))
        where target != folder
        select (file, folder, target);

    // The most specific folder: Checkpoints/Keys is a part of Checkpoints.
    private static int FolderOf(string file) => Enumerable.Range(0, Folders.Length)
        .Where(i => file.StartsWith(Folders[i].Name + "/", StringComparison.Ordinal)).DefaultIfEmpty(-1)
        .MaxBy(i => i < 0 ? 0 : Folders[i].Name.Length) is var i and >= 0
        ? i : throw new InvalidOperationException(
            $"{file} is in no folder of {nameof(ArchitectureTests)}.{nameof(Folders)}; give the new folder its place there.");

    private static int[] Targets(int from, string source)
    {
        string code = StringsAndComments().Replace(source, "\"\"");
        return [.. Enumerable.Range(0, Folders.Length)
            .Where(i => i != from && (Folders[i].Named.IsMatch(code)
                || Visible(from, i) && Types(i).IsMatch(code)
                || Neighbours(from, i) && Folders[i].NamedNearby.IsMatch(code)))];
    }

    // The kernels that a source names, and the namespace of what they are made of.
    private static IEnumerable<string> Kernels(string file, string source) =>
        Targets(FolderOf(file), source).Select(t => Folders[t].Name).Where(name => name == "Runtime/Cuda")
            .Concat(KernelNames().Matches(StringsAndComments().Replace(source, "\"\"")).Select(m => m.Value));

    private static string Relative(string path) =>
        Path.GetRelativePath(Path.Combine(Repository.Root, "src", Engine), path).Replace('\\', '/');

    // A namespace sees the types of those around it without naming them.
    private static bool Visible(int from, int to) => Folders[from].Name.StartsWith(Folders[to].Name + "/", StringComparison.Ordinal);

    // Nor does it name more than the last part of those beside it.
    private static bool Neighbours(int from, int to) => Path.GetDirectoryName(Folders[to].Name) is { Length: > 0 } around
        && (Folders[from].Name + "/").StartsWith(around + "/", StringComparison.Ordinal);

    private static Regex Types(int folder) => new($@"\b({string.Join('|',
        from path in Sources
        where FolderOf(Relative(path)) == folder
        select Path.GetFileNameWithoutExtension(path))})\b");

    private static string Picture()
    {
        var text = new StringBuilder("```mermaid\nflowchart TB\n");
        text.Append($"  subgraph {Engine}\n");
        foreach (Folder folder in Folders) text.Append($"    {folder.Id}[\"{folder.Name}<br/>{folder.What}\"]\n");
        text.Append("  end\n");
        foreach ((string project, string what) in Projects) text.Append($"  {Id(project)}[\"{project}<br/>{what}\"]\n");
        // Errors are thrown everywhere; an edge upward is the other test's business.
        (int From, int To)[] edges = [.. References().Where(r => r.To > 0 && r.To < r.From).Select(r => (r.From, r.To)).Distinct().Order()];
        foreach ((int from, int to) in Reduced(edges)) text.Append($"  {Folders[from].Id} --> {Folders[to].Id}\n");
        string[] names = [.. Projects.Keys, Engine];
        (int, int)[] projects = [.. from name in Projects.Keys
                                    from reference in XDocument.Load(Path.Combine(Repository.Root, "src", name, $"{name}.csproj"))
                                        .Descendants("ProjectReference")
                                    select (Array.IndexOf(names, name),
                                        Array.IndexOf(names, Path.GetFileNameWithoutExtension(reference.Attribute("Include")!.Value)))];
        foreach ((int from, int to) in Reduced(projects)) text.Append($"  {Id(names[from])} --> {Id(names[to])}\n");
        return text.Append("```\n").ToString();
    }

    private static string Id(string project) => project.Replace('.', '_');

    // Without the edges that a longer way says, too.
    private static IEnumerable<(int From, int To)> Reduced(IReadOnlyCollection<(int From, int To)> edges)
    {
        bool Reaches(int from, int to) => edges.Any(e => e.From == from && (e.To == to || Reaches(e.To, to)));
        return edges.Where(e => !edges.Any(other => other.From == e.From && other.To != e.To && Reaches(other.To, e.To)));
    }

    [GeneratedRegex("""///?.*|\"\"\"[\s\S]*?\"\"\"|"(?:[^"\\\n]|\\.)*"|/\*[\s\S]*?\*/""")]
    private static partial Regex StringsAndComments();

    [GeneratedRegex(@"\b(Sm90\w+|Kernel[A-Z]\w*|[A-Z]\w*Kernels?|[A-Z]\w*Tuning)\b")]
    private static partial Regex KernelNames();

    private sealed record Folder(string Name, string What)
    {
        public string Id => Name.Replace('/', '_');

        // A namespace of its name, with or without the root's, not followed by one of a folder inside it.
        public Regex Named { get; } = new(
            $@"\busing (static |\w+ = )?TurboDiffusion\.{Name.Replace("/", @"\.")}(\.(Keys|PyTorch|Lora|Gguf))?;|"
            + $@"(?<![\w.])(TurboDiffusion\.)?{Name.Replace("/", @"\.")}\."
            + @"(?!Cuda\b|Int8\b|Wan\b|Vae\b|TinyVae\b|UMT5\b|Clip\b|Normalization\b|Convolution\b|Linear\b|Attention\b)[A-Z]\w*");

        // The last part of its name alone, before a type's.
        public Regex NamedNearby { get; } = new($@"(?<![\w.]){Path.GetFileName(Name)}\.[A-Z]\w*");
    }

    // Of libtorch, with their arguments; "_ = randn(…)" is a draw that disturbs.
    [GeneratedRegex(@"(?<!_ = )(?<![\w""])(torch\.)?(rand[a-z_]*|bernoulli)"
        + @"\((?>[^()]+|\((?<depth>)|\)(?<-depth>))*\)(?(depth)(?!))"
        + @"|\.(normal|uniform|random|bernoulli)_\([^()]*\)")]
    private static partial Regex Draws();
}
