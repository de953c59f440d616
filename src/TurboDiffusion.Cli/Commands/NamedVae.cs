namespace TurboDiffusion.Cli.Commands;

/// <summary>An autoencoder of a model that has a name of its own.</summary>
internal enum NamedVae
{
    /// <summary>The model's tiny one.</summary>
    Tiny,
}
