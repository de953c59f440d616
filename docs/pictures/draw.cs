#!/usr/bin/env dotnet
// Draws the pictures of docs/how-it-works.md and, from memory.csv, that of docs/reliability.md: dotnet run docs/pictures/draw.cs
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
string folder = Path.GetDirectoryName(Here())!;
Write("sla-blocks", SlaBlocks());
Write("vae-chunks", VaeChunks());
Write("int8-tiles", Int8Tiles());
Write("rcm-steps", RcmSteps());
Write("memory", Memory(File.ReadAllLines(Path.Combine(folder, "memory.csv"))));

static string Here([CallerFilePath] string path = "") => path;

void Write(string name, Drawing drawing) => File.WriteAllText(Path.Combine(folder, name + ".svg"), drawing.ToString());

// Which key blocks each query block keeps: those of the highest pooled q · pooled k, here of positions alone (q and k are the
// rotary embedding of one vector over 6 frames of 4 × 8 tokens, 8 tokens a block), a quarter of them.
static Drawing SlaBlocks()
{
    const int frames = 6, rows = 4, columns = 8, block = 8, blocks = frames * rows * columns / block, kept = blocks / 4;
    double Score(int a, int b)
    {
        double sum = 0;
        for (int i = 0; i < block; i++)
            for (int j = 0; j < block; j++)
            {
                (int p, int q) = (a * block + i, b * block + j);
                sum += Near(p / (rows * columns), q / (rows * columns), 0.9) + Near(p / columns % rows, q / columns % rows, 0.5)
                    + Near(p % columns, q % columns, 0.5);
            }
        return sum;
    }

    // The mean of cos(angle · distance) over a few frequencies, as rotary embedding gives.
    static double Near(int p, int q, double weight) => weight * Enumerable.Range(0, 4)
        .Average(i => Math.Cos((p - q) * Math.Pow(0.4, i) * 1.2));

    var d = new Drawing(760, 380);
    const double cell = 12, left = 70, top = 64;
    d.Text(left, 24, "sparse branch: the blocks that are kept", bold: true);
    d.Text(left, 44, "each query block keeps the key blocks of the highest mean score");
    for (int row = 0; row < blocks; row++)
    {
        int[] best = [.. Enumerable.Range(0, blocks).OrderByDescending(column => Score(row, column)).Take(kept)];
        for (int column = 0; column < blocks; column++)
            d.Box(left + column * cell, top + row * cell, cell - 1, cell - 1, best.Contains(column) ? Drawing.Blue : Drawing.Pale);
    }
    d.Text(left + blocks * cell / 2, top + blocks * cell + 18, "key blocks (64 or 128 tokens)", middle: true);
    d.Turned(left - 14, top + blocks * cell / 2, "query blocks");

    const double x = 420;
    d.Box(x, 82, 14, 14, Drawing.Blue);
    d.Text(x + 24, 94, "softmax(q·kᵀ/√d)·v over these tokens only;");
    d.Text(x + 24, 112, "in SageSLA q and k in int8, P and v in fp8");
    d.Box(x, 140, 14, 14, Drawing.Pale);
    d.Text(x + 24, 152, "skipped by the softmax");
    d.Text(x, 196, "linear branch: all tokens, no blocks", bold: true);
    d.Text(x, 218, "φ(q)·(φ(k)ᵀ·v) / (φ(q)·Σφ(k)), φ = softmax over d");
    d.Text(x, 236, "then a small linear layer, learnt in the tuning");
    d.Text(x, 280, "output = sparse + linear", bold: true);
    d.Text(x, 302, "by default a tenth of the key blocks is kept;");
    d.Text(x, 320, "here, to see them, a quarter");
    return d;
}

// The chunks of a video of 13 frames, and what the convolutions keep between them.
static Drawing VaeChunks()
{
    var d = new Drawing(760, 310);
    const double cell = 40, left = 120, top = 50;
    string[] fills = [Drawing.Orange, Drawing.Blue, Drawing.Green, Drawing.Violet];
    d.Text(20, top + 25, "video", bold: true);
    d.Text(20, 245, "latents", bold: true);
    for (int frame = 0; frame < 13; frame++)
    {
        int chunk = (frame + 3) / 4;
        d.Box(left + frame * cell + chunk * 12, top, cell - 3, cell - 3, fills[chunk]);
        d.Text(left + frame * cell + chunk * 12 + 18, top + 24, frame.ToString(), middle: true, fill: "white");
    }
    for (int chunk = 0; chunk < 4; chunk++)
    {
        double begin = left + (chunk == 0 ? 0 : (chunk * 4 - 3) * cell + chunk * 12), width = (chunk == 0 ? 1 : 4) * cell - 3,
            centre = begin + width / 2;
        d.Line(centre, top + cell + 4, centre, 130, arrow: true);
        d.Box(begin, 132, width, 46, Drawing.Pale);
        d.Text(centre, 160, chunk == 0 ? "VAE" : "the same VAE", middle: true);
        d.Line(centre, 180, centre, 216, arrow: true);
        d.Box(centre - 18, 220, cell - 3, cell - 3, fills[chunk]);
        d.Text(centre, 244, chunk.ToString(), middle: true, fill: "white");
        if (chunk == 3) continue;
        double next = left + (chunk * 4 + 1) * cell + (chunk + 1) * 12;
        d.Line(begin + width, 155, next - 2, 155, arrow: true, colour: Drawing.Red);
    }
    d.Text(left, 26, "frame 0 alone, then four frames to one latent frame; decoding runs the same way back");
    d.Line(left, 284, left + 24, 284, arrow: true, colour: Drawing.Red);
    d.Text(left + 34, 288, "each causal convolution keeps the last frames of its input, at most two, for the next chunk:");
    d.Text(left + 34, 304, "the result is that of all frames at once, in memory that does not grow with the length");
    return d;
}

// A product of a [M, K] and b [N, K] in blocks of 128 × 128, each with its scale.
static Drawing Int8Tiles()
{
    var d = new Drawing(760, 330);
    const double tile = 46;
    void Tiles(double left, double top, int rows, int columns, Func<int, int, string> fill, Func<int, int, string> text)
    {
        for (int row = 0; row < rows; row++)
            for (int column = 0; column < columns; column++)
            {
                d.Box(left + column * tile, top + row * tile, tile - 3, tile - 3, fill(row, column));
                d.Text(left + column * tile + tile / 2 - 1, top + row * tile + tile / 2 + 4, text(row, column), middle: true,
                    fill: "white", size: 13);
            }
    }

    d.Text(40, 28, "activations [M, K]", bold: true);
    d.Text(40, 46, "quantized on the fly");
    Tiles(40, 60, 4, 4, (r, _) => r == 1 ? Drawing.Blue : Drawing.Faded, (r, c) => r == 1 ? $"a{Sub(c)}" : "");
    d.Text(300, 28, "weights [N, K]", bold: true);
    d.Text(300, 46, "stored in int8");
    Tiles(300, 60, 3, 4, (r, _) => r == 2 ? Drawing.Orange : Drawing.Faded, (r, c) => r == 2 ? $"b{Sub(c)}" : "");
    d.Text(560, 28, "output [M, N]", bold: true);
    d.Text(560, 46, "float");
    Tiles(560, 60, 4, 3, (r, c) => r == 1 && c == 2 ? Drawing.Green : Drawing.Faded, (_, _) => "");
    d.Text(252, 150, "·", middle: true, size: 28);
    d.Text(522, 150, "→", middle: true, size: 24);
    d.Text(40, 276, "a tile: 128 × 128 int8 values and one float32 scale = largest magnitude / 128", size: 14);
    d.Text(40, 302, "output tile = Σₖ (aₖ·bₖᵀ summed in int32) · scale(aₖ) · scale(bₖ) + bias", size: 14);
    return d;

    static string Sub(int index) => "₀₁₂₃"[index].ToString();
}

// The noise levels of four steps, from the sampler's formula.
static Drawing RcmSteps()
{
    var d = new Drawing(760, 350);
    double[] angles = [Math.Atan(80), 1.5, 1.4, 1.0];
    double[] levels = [.. angles.Select(a => Math.Sin(a) / (Math.Sin(a) + Math.Cos(a))), 0];
    const double left = 90, bottom = 280, height = 210, step = 150;
    double Y(double level) => bottom - level * height;
    d.Text(left, 24, "four steps of rCM, with fresh noise (SDE)", bold: true);
    d.Line(left - 20, bottom, left + 4 * step + 40, bottom, arrow: true);
    d.Line(left - 20, bottom, left - 20, 52, arrow: true);
    d.Turned(left - 40, bottom - height / 2, "noise level t");
    for (int i = 0; i < 4; i++)
    {
        double x = left + i * step, next = x + step;
        // To the clean estimate, and up again to the next level.
        d.Line(x, Y(levels[i]), next - 34, bottom - 3, arrow: true, colour: Drawing.Blue);
        if (levels[i + 1] > 0) d.Line(next - 34, bottom - 3, next - 3, Y(levels[i + 1]) + 7, arrow: true, colour: Drawing.Orange,
            dashed: true);
        d.Dot(x, Y(levels[i]), Drawing.Blue);
        d.Text(x + 10, Y(levels[i]) - 10, $"t = {levels[i].ToString("0.000")}");
        d.Text(x, bottom + 20, $"step {i + 1}", middle: true);
    }
    d.Dot(left + 4 * step - 34, bottom - 3, Drawing.Green);
    d.Text(left + 4 * step - 34, bottom + 20, "the clean latents", middle: true);
    d.Line(left, 322, left + 30, 322, arrow: true, colour: Drawing.Blue);
    d.Text(left + 40, 326, "the model: x − t·v, the clean estimate");
    d.Line(left + 330, 322, left + 360, 322, arrow: true, colour: Drawing.Orange, dashed: true);
    d.Text(left + 370, 326, "(1 − t′)·clean + t′·fresh noise");
    return d;
}

// Columns in MB over the number of generations, the first column.
static Drawing Memory(string[] lines)
{
    double[][] rows = [.. lines.Skip(1).Select(line => line.Split(',').Select(double.Parse).ToArray())];
    const double left = 56, right = 610, top = 20, bottom = 296, most = 350;
    double last = rows[^1][0];
    double X(double generations) => left + generations * (right - left) / last;
    double Y(double megabytes) => bottom - megabytes * (bottom - top) / most;
    var d = new Drawing(760, 340);
    for (double level = 0; level <= most; level += 50)
    {
        d.Line(left, Y(level), right, Y(level), colour: Drawing.Pale);
        d.Text(left - 22, Y(level) + 4, level.ToString(), middle: true);
    }
    for (int part = 0; part <= 4; part++)
        d.Text(X(last * part / 4), bottom + 18, (last * part / 4).ToString(), middle: true);
    d.Text((left + right) / 2, bottom + 36, "generations in one process", middle: true);
    d.Turned(14, (top + bottom) / 2, "MB");
    foreach ((int column, string name, string colour) in new[]
             {
                 (1, "resident", Drawing.Red), (2, "native, in use", Drawing.Blue), (3, "managed", Drawing.Green),
             })
    {
        d.Curve(rows.Select(row => (X(row[0]), Y(row[column]))), colour);
        d.Text(right + 8, Y(rows[^1][column]) + 4, $"{name}, {rows[^1][column]:0}", fill: colour);
    }
    return d;
}

/// <summary>Shapes and words as SVG.</summary>
internal sealed class Drawing
{
    public const string Blue = "#2f6fab", Orange = "#c8701a", Green = "#3f8f5f", Violet = "#7d5ba6", Red = "#b53a3a", Pale = "#dde3ea",
        Faded = "#b9c4d0";
    private const string Ink = "#20262e";

    private readonly StringBuilder _shapes = new();
    private readonly int _width, _height;

    public Drawing(int width, int height) => (_width, _height) = (width, height);

    public void Box(double x, double y, double width, double height, string fill) =>
        Add($"<rect x=\"{x:0.#}\" y=\"{y:0.#}\" width=\"{width:0.#}\" height=\"{height:0.#}\" rx=\"2\" fill=\"{fill}\"/>");

    public void Dot(double x, double y, string fill) => Add($"<circle cx=\"{x:0.#}\" cy=\"{y:0.#}\" r=\"6\" fill=\"{fill}\"/>");

    public void Line(double x1, double y1, double x2, double y2, bool arrow = false, string colour = Ink, bool dashed = false)
    {
        Add($"<line x1=\"{x1:0.#}\" y1=\"{y1:0.#}\" x2=\"{x2:0.#}\" y2=\"{y2:0.#}\" stroke=\"{colour}\" "
            + $"stroke-width=\"2\"{(dashed ? " stroke-dasharray=\"5 4\"" : "")}/>");
        if (!arrow) return;
        double length = Math.Sqrt((x2 - x1) * (x2 - x1) + (y2 - y1) * (y2 - y1)), dx = (x2 - x1) / length, dy = (y2 - y1) / length;
        const double size = 8;
        Add($"<path d=\"M{x2:0.#} {y2:0.#} L{x2 - size * dx + size / 2 * dy:0.#} {y2 - size * dy - size / 2 * dx:0.#} "
            + $"L{x2 - size * dx - size / 2 * dy:0.#} {y2 - size * dy + size / 2 * dx:0.#} Z\" fill=\"{colour}\"/>");
    }

    public void Curve(IEnumerable<(double X, double Y)> points, string colour)
    {
        string path = string.Join(' ', points.Select(p => $"{p.X:0.#},{p.Y:0.#}"));
        Add($"<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{path}\"/>");
    }

    public void Text(double x, double y, string words, bool bold = false, bool middle = false, string fill = Ink, int size = 12) =>
        Add($"<text x=\"{x:0.#}\" y=\"{y:0.#}\" "
            + $"font-size=\"{(bold ? size + 2 : size)}\"{(bold ? " font-weight=\"bold\"" : "")}"
            + $"{(middle ? " text-anchor=\"middle\"" : "")} fill=\"{fill}\">{words}</text>");

    public void Turned(double x, double y, string words) =>
        Add($"<text transform=\"translate({x:0.#} {y:0.#}) rotate(-90)\" font-size=\"12\" text-anchor=\"middle\" "
            + $"fill=\"{Ink}\">{words}</text>");

    public override string ToString() =>
        $"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {_width} {_height}\" width=\"{_width}\" height=\"{_height}\" "
            + "font-family=\"DejaVu Sans, Verdana, sans-serif\">\n" +
        $"<rect width=\"{_width}\" height=\"{_height}\" fill=\"white\"/>\n{_shapes}</svg>\n";

    private void Add(string shape) => _shapes.Append(shape).Append('\n');
}
