using TurboDiffusion.Runtime;

namespace TurboDiffusion.Generation.Models;

/// <summary>Where models are kept, and the one that is used when none is named.</summary>
public static class ModelLibrary
{
    /// <summary>The environment variable that names the folder of models.</summary>
    public const string FolderVariable = "TURBODIFFUSION_MODELS";

    private const string EmbeddedModel = "shapes";
    private const string TrialModel = "small-random";

    // Where packages of models, such as TurboDiffusion.Models.Shapes, put them.
    private static readonly string Embedded = Path.Combine(AppContext.BaseDirectory, "models");

    /// <summary>The folder of models: <c>TURBODIFFUSION_MODELS</c>, or <c>turbodiffusion/models</c> in the user's cache folder.</summary>
    public static string Folder => Environment.GetEnvironmentVariable(FolderVariable) is { Length: > 0 } folder
        ? Path.GetFullPath(folder)
        : Path.Combine(UserCache.Folder, "models");

    /// <summary>The names of the models in the folder and of those that came with the program's packages.</summary>
    public static IReadOnlyList<string> Names =>
    [
        .. new[] { Folder, Embedded }.Where(Directory.Exists).SelectMany(Directory.GetDirectories)
            .Where(ModelFiles.AreIn).Select(d => Path.GetFileName(d)!).Distinct()
            .Order(StringComparer.Ordinal),
    ];

    /// <summary>
    /// A model by the name of its folder in <see cref="Folder"/>, by the name of one that came with the program's packages, or by
    /// the path of its folder.
    /// </summary>
    /// <param name="nameOrPath">
    /// Which; null is the one of the package <c>TurboDiffusion.Models.Shapes</c>, or where the program has none, a small one of
    /// random weights, made at its first use.
    /// </param>
    /// <exception cref="CheckpointException">There is no such model, or it is not complete.</exception>
    public static ModelFiles Find(string? nameOrPath)
    {
        if (nameOrPath is null)
        {
            string embedded = Path.Combine(Embedded, EmbeddedModel);
            return Directory.Exists(embedded) ? ModelFiles.FromFolder(embedded) : Trial();
        }
        string[] places = [nameOrPath, Path.Combine(Folder, nameOrPath), Path.Combine(Embedded, nameOrPath)];
        if (places.FirstOrDefault(Directory.Exists) is { } place) return ModelFiles.FromFolder(place);
        throw new CheckpointException(nameOrPath,
            $"is neither a folder nor a model in {Folder} "
                + $"({(Names.Count == 0 ? "there are none" : $"there are {string.Join(", ", Names)}")}).");
    }

    /// <summary>The name of the model that <see cref="Find"/> would give, which is that in its results. Makes nothing.</summary>
    /// <param name="nameOrPath">Which; null is the default one.</param>
    /// <exception cref="CheckpointException">There is no such model, or it is not complete.</exception>
    public static string NameOf(string? nameOrPath) =>
        nameOrPath is null && !Directory.Exists(Path.Combine(Embedded, EmbeddedModel)) ? SmallModel.TextToVideoName : Find(nameOrPath).Name;

    private static ModelFiles Trial()
    {
        string folder = Path.Combine(Folder, TrialModel);
        if (File.Exists(Path.Combine(folder, ModelFiles.DescriptionFile))) return ModelFiles.FromFolder(folder);
        try
        {
            return new SmallModel().Write(folder);
        }
        catch (EnvironmentException e)
        {
            // Of two first uses at once, one is first.
            if (File.Exists(Path.Combine(folder, ModelFiles.DescriptionFile))) return ModelFiles.FromFolder(folder);
            throw new EnvironmentException("models", $"{e.Message} Name another folder with {FolderVariable}.", e);
        }
    }
}
