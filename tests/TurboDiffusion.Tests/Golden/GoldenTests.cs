using System.Reflection;
using TorchSharp;
using Xunit;

namespace TurboDiffusion.Tests.Golden;

/// <summary>Reproduces one kind of golden case. Found by reflection: a new kind is a new class.</summary>
public interface IGoldenRunner
{
    /// <summary>The <c>kind</c> of the cases' metadata.</summary>
    string Kind { get; }

    /// <summary>Computes every output and intermediate value of the case and compares each.</summary>
    void Run(GoldenCase golden);
}

/// <summary>Runs every case of the golden folders by its kind; an unknown kind fails.</summary>
public class GoldenTests
{
    private const string None = "(none)";

    // Kinds of what is not built yet. Their cases are skipped, each by its name, until there is a runner.
    private static readonly string[] ToCome = [];

    private static readonly Dictionary<string, IGoldenRunner> Runners = Assembly.GetExecutingAssembly().GetTypes()
        .Where(t => t.IsAssignableTo(typeof(IGoldenRunner)) && !t.IsAbstract)
        .Select(t => (IGoldenRunner)Activator.CreateInstance(t)!)
        .ToDictionary(r => r.Kind);

    public static TheoryData<string, string> Cases()
    {
        var cases = new TheoryData<string, string>();
        foreach (string folder in GoldenFixtures.Folders)
        {
            string[] files = Directory.Exists(folder)
                ? [.. Directory.GetFiles(folder, "*.safetensors").Select(f => Path.GetFileName(f)).Order(StringComparer.Ordinal)]
                : [];
            foreach (string file in files.DefaultIfEmpty(None)) cases.Add(file, folder);
        }
        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Outputs_are_reproduced(string file, string folder)
    {
        Assert.True(file != None,
            $"{folder} is no folder of golden cases; {GoldenFixtures.Variable} is {string.Join(Path.PathSeparator, GoldenFixtures.Given)}");
        using var scope = torch.NewDisposeScope();
        using var golden = new GoldenCase(Path.Combine(folder, file));
        bool known = Runners.TryGetValue(golden.Kind, out IGoldenRunner? runner);
        Assert.SkipWhen(!known && ToCome.Contains(golden.Kind), $"{file}: there is no runner for the kind '{golden.Kind}' yet");
        Assert.True(known, $"{file}: no runner for the kind '{golden.Kind}'");
        runner!.Run(golden);
    }
}
