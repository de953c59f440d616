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

/// <summary>Runs every case of the golden folder by its kind; an unknown kind fails.</summary>
public class GoldenTests
{
    private static readonly Dictionary<string, IGoldenRunner> Runners = Assembly.GetExecutingAssembly().GetTypes()
        .Where(t => t.IsAssignableTo(typeof(IGoldenRunner)) && !t.IsAbstract)
        .Select(t => (IGoldenRunner)Activator.CreateInstance(t)!)
        .ToDictionary(r => r.Kind);

    public static TheoryData<string> Cases()
    {
        var cases = new TheoryData<string>();
        if (Directory.Exists(GoldenFixtures.Folder))
            cases.AddRange(Directory.GetFiles(GoldenFixtures.Folder, "*.safetensors").Select(f => Path.GetFileName(f)).Order(StringComparer.Ordinal).ToArray());
        if (cases.Count == 0) cases.Add("(none)");
        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_official_code_is_reproduced(string file)
    {
        string path = GoldenFixtures.Require(file);
        Assert.True(File.Exists(path), $"{GoldenFixtures.Variable}={GoldenFixtures.Folder} holds no golden cases");
        using var scope = torch.NewDisposeScope();
        using var golden = new GoldenCase(path);
        Assert.True(Runners.TryGetValue(golden.Kind, out IGoldenRunner? runner), $"{file}: no runner for the kind '{golden.Kind}'");
        runner.Run(golden);
    }
}
