namespace TurboDiffusion.Orleans.Grains;

/// <summary>What a worker tells of itself.</summary>
/// <param name="Name">Its name, new with every start.</param>
/// <param name="Models">The models that it runs; the first is the default.</param>
/// <param name="Resident">Those that it has in memory.</param>
/// <param name="Cards">Its cards, each with its memory in bytes.</param>
/// <param name="Slots">Jobs that it runs at a time.</param>
internal sealed record WorkerInfo(
    string Name, IReadOnlyList<string> Models, IReadOnlyList<string> Resident, IReadOnlyDictionary<string, long> Cards, int Slots);
