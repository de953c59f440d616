#!/usr/bin/env dotnet
// Do the tests guard the numbers? Each fault below is put into a copy of the last commit, built, and given to the engine's tests
// as ./test.sh runs them on a fresh clone: without golden folders from outside, without a GPU.
//   dotnet run tests/mutants.cs             every fault; prints a table in Markdown; ends with 1 if one survived
//   dotnet run tests/mutants.cs -- WORD …   the faults whose name contains one of the words
//   dotnet run tests/mutants.cs -- --check  only whether each text to change still stands in its file, once
// Takes about a minute a fault on two cores.
using System.Diagnostics;
using System.Text.RegularExpressions;

Mutant[] mutants =
[
    // Samplers and experts.
    new("rCM: wrong weight of fresh noise", "Sampling/RcmSampler.cs", "next * fresh", "(1 - next) * fresh"),
    new("expert switch at 1 - boundary", "Pipelines/Denoiser.cs", "noiseLevel >= boundary", "noiseLevel >= 1 - boundary"),
    new("guidance: v + g(v - v_neg)", "Pipelines/Denoiser.cs", "negative + Guidance", "velocity + Guidance"),
    // Transformer.
    new("patch order: channel fastest", "Models/Wan/Patches.cs", "permute(0, 2, 3, 5, 1, 4, 6)", "permute(0, 2, 3, 5, 4, 6, 1)"),
    new("rotary channel split", "Operators/Normalization/RotaryEmbedding.cs", "headDim / 6 * 2", "headDim / 8 * 2"),
    new("time embedding: sines first", "Models/Wan/TimeEmbedding.cs", "[angles.cos(), angles.sin()]", "[angles.sin(), angles.cos()]"),
    new("modulation without the 1 in 1 + scale", "Operators/Normalization/Norm.cs", "(Scale + Offset)", "Scale"),
    new("block's shift and scale swapped", "Models/Wan/WanBlock.cs", "(Tensor shift1, Tensor scale1,", "(Tensor scale1, Tensor shift1,"),
    new("norm of k left out", "Operators/Normalization/QueryKeyTransform.cs", "Plain(k, KeyWeight)",
        "Rotary.Rotate(k.unflatten(2, [-1, Rotary.HeadDim]))"),
    new("image condition: mask all zero", "Pipelines/ImageCondition.cs", "mask.narrow(2, 0, 1).fill_(1)", "mask.narrow(2, 0, 1).fill_(0)"),
    // Attention.
    new("SLA keeps the lowest-scored blocks", "Operators/Attention/BlockSelection.cs", "descending: true", "descending: false"),
    new("SLA without its linear branch", "Operators/Attention/SparseLinearAttention.cs", "AttendSparse(q, k, v) + _linear.call(q, k, v)",
        "AttendSparse(q, k, v)"),
    new("padded keys are attended to", "Operators/Attention/BlockSparseAttention.cs", "position.ge(length)", "position.lt(0)"),
    new("Sage int8 rounds half to even", "Operators/Attention/SageQuantization.cs", "(scaled + 0.5 * scaled.sign()).trunc()",
        "scaled.round()"),
    new("P is not rounded to fp8", "Operators/Attention/BlockSparseAttention.cs", "Fp8.Round((blocks - highest).exp())",
        "(blocks - highest).exp()"),
    // Linear layers.
    new("W8A8 scale amax/127", "Operators/Linear/BlockInt8.cs", "clamp_min(MinAmax) / MaxMagnitude",
        "clamp_min(MinAmax) / (MaxMagnitude - 1)"),
    // VAE, text encoder, checkpoints.
    new("causal cache keeps the first frames", "Models/Vae/CausalConv3d.cs", "x.narrow(2, x.shape[2] - _overlap, _overlap)",
        "x.narrow(2, 0, _overlap)"),
    new("VAE: deviations for the latents' means", "Models/Vae/WanVae.cs", "- PerChannel(Config.LatentMean",
        "- PerChannel(Config.LatentStd"),
    new("T5: sign of relative positions", "Models/UMT5/RelativePosition.cs", "positions.unsqueeze(0) - positions.unsqueeze(1)",
        "positions.unsqueeze(1) - positions.unsqueeze(0)"),
    new("loader broadcasts what has another shape", "Checkpoints/StrictLoader.cs", "info.Shape.SequenceEqual(target.shape)",
        "info.Shape.Count <= target.shape.Length"),
    // What stands beside those, in the places that are easily missed.
    new("rCM: ODE step past the next level", "Sampling/RcmSampler.cs", "(t - next) * v", "t * v"),
    new("output patches: rows and columns swapped", "Models/Wan/Patches.cs", "permute(0, 6, 1, 2, 4, 3, 5)",
        "permute(0, 6, 1, 2, 5, 3, 4)"),
    new("norm of q left out", "Operators/Normalization/QueryKeyTransform.cs", "Plain(q, QueryWeight)",
        "Rotary.Rotate(q.unflatten(2, [-1, Rotary.HeadDim]))"),
    new("gate of the feed-forward left out", "Models/Wan/WanBlock.cs", "_feedForward.Out.MultiplyAdd(activated, z.Values, gate2)",
        "_feedForward.Out.MultiplyAdd(activated, z.Values)"),
    new("head's shift and scale swapped", "Models/Wan/WanHead.cs", "scale: times.Spread(m[1]), shift: times.Spread(m[0])",
        "scale: times.Spread(m[0]), shift: times.Spread(m[1])"),
    new("GELU in its exact form", "Runtime/TorchScript.cs", "approximate='tanh'", "approximate='none'"),
    new("Sage keys are not centred", "Operators/Attention/SageQuantization.cs", "Quantize(k - KeyMean(k), block)", "Quantize(k, block)"),
    new("VAE: upsampled frames one after another", "Models/Vae/Upsample.cs", "permute(0, 2, 3, 1, 4, 5)", "permute(0, 2, 1, 3, 4, 5)"),
    new("T5: padding is attended to", "Models/UMT5/SelfAttention.cs", "scores.masked_fill_(padding, float.MinValue)", "scores"),
];

string root = Run("git", ["rev-parse", "--show-toplevel"], ".").Output.Trim();
string[] wanted = [.. args.Where(a => !a.StartsWith('-'))];
Mutant[] chosen = [.. mutants.Where(m => wanted.Length == 0 || wanted.Any(w => m.Name.Contains(w, StringComparison.OrdinalIgnoreCase)))];
if (chosen.Length == 0) throw new ArgumentException($"No fault is named {string.Join(" or ", wanted)}.");
foreach (Mutant mutant in chosen) mutant.Apply(File.ReadAllText(mutant.PathIn(root)));
if (args.Contains("--check"))
{
    Console.WriteLine($"{chosen.Length} texts stand in their files.");
    return 0;
}

string copy = Path.Combine(Path.GetTempPath(), $"mutants-{Environment.ProcessId}");
string project = Path.Combine(copy, "tests", "TurboDiffusion.Tests");
Run("git", ["worktree", "add", "--detach", copy, "HEAD"], root).Require();
try
{
    Console.Error.WriteLine("without a fault");
    Build().Require();
    if (Failures() is { Count: > 0 } failing)
        throw new InvalidOperationException($"The tests fail without a fault: {string.Join(", ", failing)}.");
    Console.WriteLine("| fault | | by |\n|---|---|---|");
    int survivors = 0;
    foreach (Mutant mutant in chosen)
    {
        Console.Error.WriteLine(mutant.Name);
        string file = mutant.PathIn(copy), source = File.ReadAllText(file);
        File.WriteAllText(file, mutant.Apply(source));
        Build().Require();
        IReadOnlyList<string> killers = Failures();
        File.WriteAllText(file, source);
        if (killers.Count == 0) survivors++;
        Console.WriteLine($"| {mutant.Name} | {(killers.Count > 0 ? "killed" : "**survived**")} | {Summary(killers)} |");
    }
    Console.WriteLine($"\n{chosen.Length - survivors} of {chosen.Length} killed.");
    return survivors == 0 ? 0 : 1;
}
finally
{
    Run("git", ["worktree", "remove", "--force", copy], root);
}

Result Build() => Run("dotnet", ["build", project, "-v", "quiet", "--nologo", "-nodeReuse:false"], copy);

// The names of the tests that fail. Tests of files, texts and pictures are left out: no fault is there.
IReadOnlyList<string> Failures()
{
    string[] parts = ["Golden", "Models*", "Operators*", "Pipelines", "Sampling", "Checkpoints", "Generation"];
    Result run = Run("dotnet", [Path.Combine(project, "bin", "Debug", "net10.0", "TurboDiffusion.Tests.dll"), "-noColor",
        .. parts.SelectMany(p => new[] { "-namespace", "TurboDiffusion.Tests." + p })], copy);
    if (!run.Output.Contains("Total: ", StringComparison.Ordinal))
        throw new InvalidOperationException($"The tests did not end:\n{run.Output}");
    return [.. Regex.Matches(run.Output, @"^ *TurboDiffusion\.Tests\.(\S.*) \[FAIL\]", RegexOptions.Multiline)
        .Select(m => m.Groups[1].Value)];
}

// The golden cases among them, or else the first of the others; and how many more.
static string Summary(IReadOnlyList<string> killers)
{
    string[] cases = [.. killers.Select(k => Regex.Match(k, "file: \"([^\"]+)\\.safetensors\"")).Where(m => m.Success)
        .Select(m => m.Groups[1].Value)];
    string[] tests = [.. killers.Where(k => !k.Contains("file: ", StringComparison.Ordinal))
        .Select(k => Regex.Replace(k, @"\(.*", "").Split('.')[^2..])
        .Select(p => string.Join('.', p)).Distinct()];
    string[] named = [.. cases.Take(2), .. tests.Take(2)];
    int more = cases.Length + tests.Length - named.Length;
    return string.Join(", ", named.Select(n => $"`{n}`")) + (more > 0 ? $" and {more} more" : "");
}

static Result Run(string program, string[] arguments, string folder)
{
    var start = new ProcessStartInfo(program, arguments)
    {
        WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true,
    };
    start.Environment.Remove("TURBODIFFUSION_FIXTURES");
    start.Environment.Remove("TURBODIFFUSION_REQUIRE_GPU");
    start.Environment["CUDA_VISIBLE_DEVICES"] = "";
    start.Environment["OMP_NUM_THREADS"] = "1";
    using Process process = Process.Start(start)!;
    Task<string> errors = process.StandardError.ReadToEndAsync();
    string output = process.StandardOutput.ReadToEnd();
    process.WaitForExit();
    return new Result($"{program} {string.Join(' ', arguments)}", process.ExitCode, output + errors.Result);
}

/// <summary>A fault: in a file of the engine, one text in place of another.</summary>
internal sealed record Mutant(string Name, string File, string Text, string Fault)
{
    public string PathIn(string root) => Path.Combine(root, "src", "TurboDiffusion", File);

    public string Apply(string source)
    {
        int times = source.Split(Text).Length - 1;
        return times == 1 ? source.Replace(Text, Fault) : throw new InvalidOperationException(
            $"'{Name}': '{Text}' stands {times} times in {File}, not once. Give the text that makes this fault now.");
    }
}

internal sealed record Result(string Command, int ExitCode, string Output)
{
    public void Require()
    {
        if (ExitCode != 0) throw new InvalidOperationException($"{Command} ended with {ExitCode}:\n{Output}");
    }
}
