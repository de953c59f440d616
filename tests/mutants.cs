#!/usr/bin/env dotnet
// Do the tests guard the numbers? Each fault of mutants.json is put into a copy of the last commit, built, and given to the engine's tests
// as ./test.sh runs them on a fresh clone: without golden folders from outside, without a GPU.
//   dotnet run tests/mutants.cs             every fault; prints a table in Markdown; ends with 1 if one survived
//   dotnet run tests/mutants.cs -- WORD …   the faults whose name contains one of the words
// Takes about a minute a fault on two cores.
using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;

string root = Run("git", ["rev-parse", "--show-toplevel"], ".").Output.Trim();
Mutant[] chosen = [.. Mutant.Read(Path.Combine(root, "tests", "mutants.json"))
    .Where(m => args.Length == 0 || args.Any(word => m.Name.Contains(word, StringComparison.OrdinalIgnoreCase)))];
if (chosen.Length == 0) throw new ArgumentException($"No fault is named {string.Join(" or ", args)}.");
foreach (Mutant mutant in chosen) mutant.Apply(File.ReadAllText(mutant.PathIn(root)));

// Tests of files, texts and pictures are left out, as no fault is there, and those that hold a kernel against its plain form: a fault of
// the plain form must be noticed without them, and the emulator is slow.
string[] parts = ["Golden", "Models*", "Operators*", "Pipelines", "Sampling", "Checkpoints", "Generation"];
string[] engine = [.. parts.SelectMany(p => new[] { "-namespace", "TurboDiffusion.Tests." + p }), "-class-", "*KernelTests"];

string copy = Path.Combine(Path.GetTempPath(), $"mutants-{Environment.ProcessId}");
string project = Path.Combine(copy, "tests", "TurboDiffusion.Tests"), built = Path.Combine(project, "bin", "Debug", "net10.0"),
    sound = Path.Combine(project, "bin", "sound");
Run("git", ["worktree", "add", "--detach", copy, "HEAD"], root).Require();
try
{
    Console.Error.WriteLine("without a fault");
    Build().Require();
    if (Failures(built, [.. engine]) is { Count: > 0 } failing)
        throw new InvalidOperationException($"The tests fail without a fault: {string.Join(", ", failing)}.");
    // Followed: what a build copies may be links to what the next one replaces.
    Run("cp", ["-rL", built, sound], copy).Require();
    Console.WriteLine("| fault | | by |\n|---|---|---|");
    int survivors = 0;
    foreach (Mutant mutant in chosen)
    {
        Console.Error.WriteLine(mutant.Name);
        string file = mutant.PathIn(copy), source = File.ReadAllText(file);
        File.WriteAllText(file, mutant.Apply(source));
        Build().Require();
        IReadOnlyList<string> killers = Killers();
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

// A fault may break a rule of style.
Result Build() => Run("dotnet",
    ["build", project, "-v", "quiet", "--nologo", "-nodeReuse:false", "-p:RunAnalyzers=false", "-p:MaxLineLength=1000"], copy);

// A test that fails. The tests are stopped at the first one, and those under way beside it are cancelled, which are failures too: one
// counts if it fails once more by itself, and not without the fault. So what fails by chance does not.
IReadOnlyList<string> Killers()
{
    for (int attempt = 0; attempt < 5; attempt++)
    {
        IReadOnlyList<string> failures = Failures(built, [.. engine, "-stopOnFail"]);
        if (failures.Count == 0) return [];
        foreach (string name in failures)
        {
            string[] alone = ["-method", "TurboDiffusion.Tests." + Regex.Replace(name, @"\(.*", "")];
            if (Failures(built, alone).Contains(name) && Failures(sound, alone).Count == 0) return [name];
        }
        Console.Error.WriteLine($"  failed by chance: {string.Join(", ", failures)}");
    }
    throw new InvalidOperationException("Five times a test failed by chance.");
}

// The names of the tests of a build that fail.
IReadOnlyList<string> Failures(string build, string[] chosen)
{
    Result run = Run("dotnet", [Path.Combine(build, "TurboDiffusion.Tests.dll"), "-noColor", .. chosen], copy);
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
    public static IEnumerable<Mutant> Read(string list)
    {
        using JsonDocument json = JsonDocument.Parse(System.IO.File.ReadAllText(list),
            new() { CommentHandling = JsonCommentHandling.Skip });
        return [.. json.RootElement.EnumerateArray().Select(m => new Mutant(Of(m, "name"), Of(m, "file"), Of(m, "text"), Of(m, "fault")))];

        static string Of(JsonElement mutant, string property) => mutant.GetProperty(property).GetString()!;
    }

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
