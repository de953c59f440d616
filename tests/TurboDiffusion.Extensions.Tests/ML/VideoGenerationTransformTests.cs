using System.Diagnostics;
using Microsoft.Extensions.AI;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;
using TurboDiffusion.Extensions.AI;
using TurboDiffusion.ML;
using Xunit;

namespace TurboDiffusion.Extensions.Tests.ML;

// Some run the engine, whose spans and queue other tests of this collection read.
[Collection("device")]
public sealed class VideoGenerationTransformTests : IDisposable
{
    private readonly MLContext _ml = new(seed: 1);
    private readonly string _folder = Directory.CreateTempSubdirectory("turbodiffusion-").FullName;
    private readonly List<(VideoGenerationRequest Request, VideoGenerationOptions Options)> _calls = [];
    private readonly TestVideoGenerator _generator;

    public VideoGenerationTransformTests() => _generator = new TestVideoGenerator
    {
        OnGenerate = (request, options, _) =>
        {
            lock (_calls)
                _calls.Add((request, options!));
            return Task.FromResult(Videos.Response(Videos.Data((byte)request.Prompt!.Length)));
        },
    };

    [Fact]
    public void Each_row_gets_the_video_of_its_prompt()
    {
        using var transformer = _ml.Transforms.GenerateVideo(_generator, options: new() { FramesPerSecond = 8 })
            .Fit(Rows("a", "bb", "ccc"));

        var videos = _ml.Data.CreateEnumerable<VideoRow>(transformer.Transform(Rows("a", "bb", "ccc")), reuseRowObject: false).ToList();

        Assert.Equal(["a", "bb", "ccc"], videos.Select(row => row.Prompt));
        Assert.Equal([1, 2, 3], videos.Select(row => (int)row.Video!.GetBytes().Span[0]));
        Assert.All(videos, row => Assert.Equal((Videos.Info, "video/mp4", null), (row.Video!.Info, row.Video.MediaType, row.Video.Path)));
        Assert.All(_calls, call => Assert.Equal((8, 1), (call.Options.FramesPerSecond, call.Options.Count)));
    }

    [Fact]
    public void One_video_is_generated_for_each_row_read_and_none_for_what_is_not_asked_for()
    {
        var rows = Rows([.. Enumerable.Range(0, 200).Select(i => $"prompt {i}")]);
        using var transformer = _ml.Transforms.GenerateVideo(_generator).Fit(rows);
        Assert.Empty(_calls);

        var view = transformer.Transform(rows);
        Assert.Empty(_calls);

        Read(view, 3, "Video");
        Assert.Equal(3, _calls.Count);

        _calls.Clear();
        Assert.Equal(200, view.GetColumn<string>("Prompt").Count());
        Assert.Empty(_calls);

        view.Preview(maxRows: 1);
        Assert.Single(_calls);

        _calls.Clear();
        using var engine = _ml.Model.CreatePredictionEngine<PromptRow, VideoRow>(transformer,
            new PredictionEngineOptions { OwnsTransformer = false });
        Assert.NotNull(engine.Predict(new() { Prompt = "a" }).Video);
        Assert.Single(_calls);
    }

    [Fact]
    public void The_path_column_read_with_the_video_is_as_lazy_as_the_video()
    {
        VideoGeneratorRegistry.Register("path-test", () => _generator);
        var rows = Rows([.. Enumerable.Range(0, 200).Select(i => $"prompt {i}")]);
        using var transformer = _ml.Transforms.GenerateVideo(new VideoGenerationTransformOptions
        {
            GeneratorName = "path-test",
            PathColumnName = "Path",
            OutputDirectory = _folder,
        }).Fit(rows);
        var view = transformer.Transform(rows);

        Read(view, 2, "Video", "Path");
        Assert.Equal(2, _calls.Count);

        var row = _ml.Data.CreateEnumerable<PathRow>(_ml.Data.TakeRows(view, 1), reuseRowObject: false).Single();
        Assert.Equal(row.Video!.Path, row.Path);
        Assert.Equal(_folder, Path.GetDirectoryName(row.Path));
        Assert.Equal(row.Video.GetBytes().ToArray(), File.ReadAllBytes(row.Path));

        // On its own ML.NET reads a text column ahead, but still generates each row once.
        _calls.Clear();
        Assert.Equal(200, view.GetColumn<string>("Path").Count());
        Assert.Equal(200, _calls.Count);
        VideoGeneratorRegistry.Remove("path-test");
    }

    [Fact]
    public void Seeds_and_start_images_come_from_their_columns()
    {
        var image = Path.Combine(_folder, "start.png");
        File.WriteAllBytes(image, [4, 5]);
        var rows = _ml.Data.LoadFromEnumerable(new[]
        {
            new FullRow { Prompt = "a", Image = image, Seed = 9_007_199_254_740_991 },
            new FullRow { Prompt = "b", Image = "", Seed = 2 },
        });
        using var transformer = Transformer(rows, new() { StartImageColumnName = "Image", SeedColumnName = "Seed" });

        Read(transformer.Transform(rows), 2, "Video");

        Assert.Equal([9_007_199_254_740_991, 2L], _calls.Select(call => call.Options.Seed));
        Assert.Equal([4, 5], Assert.IsType<DataContent>(_calls[0].Request.StartFrame).Data.ToArray());
        Assert.Null(_calls[1].Request.StartFrame);
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(1e30)]
    [InlineData(1.5)]
    public void A_seed_that_is_none_is_a_typed_error_and_no_other_seed(double seed)
    {
        var rows = _ml.Data.LoadFromEnumerable(new[] { new NumberRow { Prompt = "a", Seed = seed } });
        using var transformer = Transformer(rows, new() { SeedColumnName = "Seed" });

        var error = Record.Exception(() => Read(transformer.Transform(rows), 1, "Video"));

        for (; error is not null and not InvalidRequestException; error = error.InnerException)
        {
        }

        Assert.Contains("must be a whole number", error!.Message, StringComparison.Ordinal);
        Assert.Empty(_calls);
    }

    [Fact]
    public void End_images_come_from_their_column_also_in_a_loaded_model()
    {
        string first = Path.Combine(_folder, "first.png"), last = Path.Combine(_folder, "last.png");
        File.WriteAllBytes(first, [4, 5]);
        File.WriteAllBytes(last, [6]);
        var rows = _ml.Data.LoadFromEnumerable(new[] { new EndRow { Prompt = "a", First = first, Last = last } });
        VideoGeneratorRegistry.Register("end-test", () => _generator);
        var model = _ml.Transforms.GenerateVideo(new VideoGenerationTransformOptions
        {
            StartImageColumnName = "First", EndImageColumnName = "Last", GeneratorName = "end-test",
        }).Fit(rows);
        var saved = new MemoryStream();
        _ml.Model.Save(model, rows.Schema, saved);
        saved.Position = 0;
        var loaded = _ml.Model.Load(saved, out _);
        foreach (var transformer in new[] { model, loaded })
        {
            _calls.Clear();
            Read(transformer.Transform(rows), 1, "Video");
            var (request, _) = Assert.Single(_calls);
            Assert.Equal([4, 5], Assert.IsType<DataContent>(request.StartFrame).Data.ToArray());
            Assert.Equal([6], Assert.IsType<DataContent>(request.EndFrame).Data.ToArray());
        }

        VideoGeneratorRegistry.Remove("end-test");
    }

    private sealed class EndRow
    {
        public string Prompt { get; set; } = "";

        public string First { get; set; } = "";

        public string Last { get; set; } = "";
    }

    [Fact]
    public void Built_in_transforms_work_before_and_after()
    {
        using (var bitmap = MLImage.CreateFromPixels(4, 2, MLPixelFormat.Rgba32,
            [.. Enumerable.Repeat(new byte[] { 200, 100, 50, 255 }, 8).SelectMany(pixel => pixel)]))
            bitmap.Save(Path.Combine(_folder, "start.png"));
        var rows = _ml.Data.LoadFromEnumerable(new[] { new FullRow { Prompt = "A CAT", Image = "start.png" } });
        var options = new VideoGenerationTransformOptions
        {
            InputColumnName = "Lower",
            StartImageColumnName = "Resized",
            PathColumnName = "Path",
            OutputDirectory = _folder,
            GeneratorName = "chain-test",
        };
        VideoGeneratorRegistry.Register("chain-test", () => _generator);
        var pipeline = _ml.Transforms.Text.NormalizeText("Lower", "Prompt")
            .Append(_ml.Transforms.LoadImages("Loaded", _folder, "Image"))
            .Append(_ml.Transforms.ResizeImages("Resized", 16, 8, "Loaded"))
            .Append(_ml.Transforms.GenerateVideo(options))
            .Append(_ml.Transforms.Text.TokenizeIntoWords("PathParts", "Path", ['/']));

        var model = pipeline.Fit(rows);
        Assert.Empty(_calls);
        var view = model.Transform(rows);
        var parts = view.GetColumn<string[]>("PathParts").Single();

        var (request, _) = Assert.Single(_calls);
        Assert.Equal("a cat", request.Prompt);
        var start = Assert.IsType<DataContent>(request.StartFrame);
        using var sent = MLImage.CreateFromStream(new MemoryStream(start.Data.ToArray()));
        Assert.Equal((16, 8), (sent.Width, sent.Height));
        Assert.Equal(sent.PixelFormat == MLPixelFormat.Rgba32 ? [200, 100, 50, 255] : [50, 100, 200, 255], sent.Pixels[..4].ToArray());
        Assert.EndsWith(".mp4", parts[^1], StringComparison.Ordinal);

        // A loaded model takes images as well.
        _calls.Clear();
        var path = Path.Combine(_folder, "chain.zip");
        _ml.Model.Save(model, rows.Schema, path);
        Read(new MLContext().Model.Load(path, out _).Transform(rows), 1, "Video");
        Assert.Equal("image/png", Assert.IsType<DataContent>(Assert.Single(_calls).Request.StartFrame).MediaType);
        VideoGeneratorRegistry.Remove("chain-test");
    }

    [Fact]
    public void Schemas_are_checked_with_ML_NETs_errors()
    {
        var rows = _ml.Data.LoadFromEnumerable(new[] { new FullRow { Prompt = "a", Image = "", Seed = 1 } });

        Fails("Could not find input column 'Missing'", new() { InputColumnName = "Missing" });
        Fails("Schema mismatch for input column 'Seed': expected String, got Int64", new() { InputColumnName = "Seed" });
        Fails("Schema mismatch for input column 'Seed': expected Image or String, got Int64", new() { StartImageColumnName = "Seed" });
        Fails("Could not find input column 'None'", new() { SeedColumnName = "None" });

        var estimator = _ml.Transforms.GenerateVideo("Clip");
        var shape = SchemaShapeOf(rows);
        Assert.Contains(estimator.GetOutputSchema(shape), column => column.Name == "Clip" && column.ItemType is VideoDataViewType);
        Assert.DoesNotContain(estimator.GetOutputSchema(shape), column => column.Name.StartsWith("__td", StringComparison.Ordinal));
        Assert.DoesNotContain(estimator.Fit(rows).Transform(rows).Schema, column => column.Name.StartsWith("__td", StringComparison.Ordinal)
            && !column.IsHidden);

        void Fails(string message, VideoGenerationTransformOptions options)
        {
            var fit = Assert.Throws<ArgumentOutOfRangeException>(() => _ml.Transforms.GenerateVideo(options).Fit(rows));
            Assert.StartsWith(message, fit.Message, StringComparison.Ordinal);
            var schema = Assert.Throws<ArgumentOutOfRangeException>(() => _ml.Transforms.GenerateVideo(options)
                .GetOutputSchema(SchemaShapeOf(rows)));
            Assert.StartsWith(message, schema.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Progress_is_reported_and_cancellation_ends_the_row()
    {
        using var source = new CancellationTokenSource();
        var progress = new List<VideoGenerationProgress>();
        using var transformer = Transformer(Rows("a"), new()
        {
            Progress = new Collect(progress.Add),
            CancellationToken = source.Token,
        });
        var view = transformer.Transform(Rows("a"));

        Read(view, 1, "Video");
        Assert.Equal(new VideoGenerationProgress("denoise", 1, 4), Assert.Single(progress));

        source.Cancel();
        Assert.ThrowsAny<OperationCanceledException>(() => Read(view, 1, "Video"));
    }

    [Fact]
    public void A_failed_row_leaves_the_transformer_usable()
    {
        using var transformer = Transformer(Rows("a"), new());
        var answer = _generator.OnGenerate;
        _generator.OnGenerate = (_, _, _) => throw new TimeoutException("too slow");
        Assert.Throws<TimeoutException>(() => Read(transformer.Transform(Rows("a")), 1, "Video"));

        _generator.OnGenerate = answer;
        Read(transformer.Transform(Rows("a")), 1, "Video");
        Assert.Single(_calls);
    }

    [Fact]
    public async Task A_saved_model_generates_in_a_fresh_process()
    {
        var model = Path.Combine(_folder, "model.zip");
        var options = new VideoGenerationTransformOptions
        {
            GeneratorName = "loader",
            SeedColumnName = "Seed",
            PathColumnName = "Path",
            OutputDirectory = _folder,
            VideoOptions = new() { VideoSize = new(64, 32), AdditionalProperties = new() { ["style"] = "\"ink\" \\ ünïcode" } },
        };
        var rows = _ml.Data.LoadFromEnumerable(new[] { new FullRow { Prompt = "x", Image = "" } });
        using (var transformer = _ml.Transforms.GenerateVideo(options).Fit(rows))
            _ml.Model.Save(transformer, rows.Schema, model);

        // Calls before the first read, then prompt, size, seed and style that the generator saw, then the file's bytes.
        Assert.Equal("0|a cat|64x32|7|\"ink\" \\ ünïcode|1|5,5", await LoadElsewhereAsync(model));
    }

    [Fact]
    public async Task A_saved_model_runs_the_engine_in_a_fresh_process_that_registers_nothing()
    {
        var model = Path.Combine(_folder, "model.zip");
        var rows = _ml.Data.LoadFromEnumerable(new[] { new FullRow { Prompt = "x", Image = "" } });
        using (var transformer = _ml.Transforms.GenerateVideo(new VideoGenerationTransformOptions
        {
            SeedColumnName = "Seed",
            PathColumnName = "Path",
            Engine = new() { Model = EngineModels.TextToVideo, Device = "cpu", OutputDirectory = _folder },
            VideoOptions = new() { VideoSize = new(48, 32), Duration = TimeSpan.FromSeconds(0.5) },
        }).Fit(rows))
            _ml.Model.Save(transformer, rows.Schema, model);

        var output = await LoadElsewhereAsync(model, "a cat");

        var path = Assert.Single(Directory.GetFiles(_folder, "*.mp4"));
        Assert.Equal($"48x32, 7: {path}", output);
    }

    [Fact]
    public void Without_a_registered_generator_the_engine_runs()
    {
        using var transformer = _ml.Transforms.GenerateVideo(new VideoGenerationTransformOptions
        {
            PathColumnName = "Path",
            Engine = new() { Model = EngineModels.TextToVideo, Device = "cpu", OutputDirectory = _folder },
            VideoOptions = new()
            {
                VideoSize = new(32, 32),
                Duration = TimeSpan.FromSeconds(5 / 8.0),
                FramesPerSecond = 8,
                Seed = 7,
                RawRepresentationFactory = _ => new TurboDiffusionRequestOptions { Steps = 1 },
            },
        }).Fit(Rows("a cat"));

        var row = _ml.Data.CreateEnumerable<PathRow>(transformer.Transform(Rows("a cat")), reuseRowObject: false).Single();

        Assert.Equal(new VideoInfo(32, 32, 5, 8, 7), row.Video!.Info);
        Assert.Equal(_folder, Path.GetDirectoryName(row.Path));
        foreach (var video in new[] { row.Video, new MLVideo(new DataContent(row.Video.GetBytes(), "video/mp4")) })
        {
            var frames = video.ReadFrames().ToList();
            Assert.Equal(5, frames.Count);
            Assert.All(frames, frame => Assert.Equal((32, 32), (frame.Width, frame.Height)));
            frames.ForEach(frame => frame.Dispose());
        }
    }

    [Fact]
    public void Transformers_of_one_estimator_keep_its_generator_whichever_is_disposed()
    {
        var estimator = _ml.Transforms.GenerateVideo(_generator);
        var first = estimator.Fit(Rows("a"));
        var second = estimator.Fit(Rows("a"));
        var rows = second.Transform(Rows("a"));
        first.Dispose();
        Read(rows, 1, "Video");
        Assert.Single(_calls);

        // A prediction engine disposes the transformer that it is made from.
        _ml.Model.CreatePredictionEngine<PromptRow, VideoRow>(second).Dispose();
        Read(rows, 1, "Video");
        Read(second.Transform(Rows("b")), 1, "Video");
        Assert.Equal(3, _calls.Count);
        Assert.False(_generator.IsDisposed);
    }

    [Fact]
    public void A_name_that_is_not_registered_is_an_error_and_not_another_generator()
    {
        using var transformer = _ml.Transforms.GenerateVideo(new VideoGenerationTransformOptions { GeneratorName = "nobody" })
            .Fit(Rows("a"));

        var error = Assert.Throws<InvalidRequestException>(() => Read(transformer.Transform(Rows("a")), 1, "Video"));

        Assert.Contains("'nobody'", error.Message, StringComparison.Ordinal);
        Assert.Contains("VideoGeneratorRegistry.Register(\"nobody\"", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_model_saved_with_a_generator_object_says_what_to_do_when_it_is_loaded()
    {
        var path = Path.Combine(_folder, "model.zip");
        var rows = Rows("a");
        using (var transformer = _ml.Transforms.GenerateVideo(_generator).Fit(rows))
            _ml.Model.Save(transformer, rows.Schema, path);

        var loaded = new MLContext().Model.Load(path, out _);

        var error = Assert.Throws<InvalidRequestException>(() => Read(loaded.Transform(rows), 1, "Video"));
        Assert.Contains("generator's name", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_factory_that_failed_is_tried_again()
    {
        var attempts = 0;
        VideoGeneratorRegistry.Register("flaky", () => attempts++ == 0 ? throw new TimeoutException() : _generator);
        using var transformer = _ml.Transforms.GenerateVideo(new VideoGenerationTransformOptions { GeneratorName = "flaky" })
            .Fit(Rows("a"));

        Assert.Throws<TimeoutException>(() => Read(transformer.Transform(Rows("a")), 1, "Video"));
        Read(transformer.Transform(Rows("a")), 1, "Video");

        Assert.Equal(2, attempts);
        VideoGeneratorRegistry.Remove("flaky");
    }

    [Fact]
    public void An_undisposed_transformer_keeps_nothing()
    {
        var generator = Forget();
        for (var i = 0; i < 20 && generator.IsAlive; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        Assert.False(generator.IsAlive);

        [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
        static WeakReference Forget()
        {
            var own = new TestVideoGenerator();
            var ml = new MLContext();
            var rows = ml.Data.LoadFromEnumerable(new[] { new PromptRow { Prompt = "a" } });
            Read(ml.Transforms.GenerateVideo(own).Fit(rows).Transform(rows), 1, "Video");
            Assert.Equal(1, own.Calls);
            return new WeakReference(own);
        }
    }

    [Fact]
    public void Transformers_share_the_engine_until_the_last_is_gone()
    {
        var options = new TurboDiffusionOptions { Model = "/no/such/model", Device = "cpu" };
        var before = SharedEngine.Count;
        var one = SharedEngine.Take(options);
        using (var two = SharedEngine.Take(new() { Model = "/no/such/model", Device = "cpu" }))
        {
            Assert.Same(one.Generator, two.Generator);
            using var other = SharedEngine.Take(new() { Model = "/another", Device = "cpu" });
            Assert.NotSame(one.Generator, other.Generator);
            one.Dispose();
            one.Dispose();
            Assert.Equal(before + 2, SharedEngine.Count);
        }

        Assert.Equal(before, SharedEngine.Count);
        Assert.Throws<ObjectDisposedException>(() => one.Generator);

        // Nobody disposes what a loaded model holds.
        Forget(options);
        for (var i = 0; i < 20 && SharedEngine.Count > before; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        Assert.Equal(before, SharedEngine.Count);

        [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
        static void Forget(TurboDiffusionOptions options) => Assert.NotNull(SharedEngine.Take(options).Generator);
    }

    [Fact]
    public void The_registry_keeps_names_apart_and_creates_late()
    {
        var created = 0;
        VideoGeneratorRegistry.Register("late", () =>
        {
            created++;
            return _generator;
        });
        Assert.Throws<ArgumentException>(() => VideoGeneratorRegistry.Register("late", () => _generator));
        using var transformer = _ml.Transforms.GenerateVideo(new VideoGenerationTransformOptions { GeneratorName = "late" })
            .Fit(Rows("a", "b"));
        Assert.Equal(0, created);

        Read(transformer.Transform(Rows("a", "b")), 2, "Video");

        Assert.Equal(1, created);
        Assert.True(VideoGeneratorRegistry.Remove("late"));
        Assert.False(VideoGeneratorRegistry.Remove("late"));
    }

    [Fact]
    public void The_column_type_and_its_attribute_are_equal_to_themselves()
    {
        Assert.Equal(new VideoDataViewType(), (object)new VideoDataViewType());
        Assert.Equal(new VideoDataViewType().GetHashCode(), new VideoDataViewType().GetHashCode());
        Assert.False(new VideoDataViewType().Equals(TextDataViewType.Instance));
        Assert.True(new VideoTypeAttribute().Equals((object)new VideoTypeAttribute()));
        Assert.Equal("Video", new VideoDataViewType().ToString());
        Assert.Throws<ArgumentException>(() => new MLVideo(new TextContent("no video")));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>Loads a model in a second process, and gives what it writes.</summary>
    private static async Task<string> LoadElsewhereAsync(params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet",
            [Path.Combine(AppContext.BaseDirectory, "TurboDiffusion.Extensions.Tests.Loader.dll"), .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        var output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);

        Assert.True(process.ExitCode == 0, output + await error);
        return output.Trim();
    }

    private static void Read(IDataView view, int rows, params string[] columns)
    {
        var wanted = columns.Select(name => view.Schema[name]).ToList();
        using var cursor = view.GetRowCursor(wanted);
        var video = cursor.GetGetter<MLVideo>(view.Schema["Video"]);
        var path = columns.Contains("Path") ? cursor.GetGetter<ReadOnlyMemory<char>>(view.Schema["Path"]) : null;
        for (var i = 0; i < rows; i++)
        {
            Assert.True(cursor.MoveNext());
            MLVideo value = null!;
            video(ref value);
            Assert.NotNull(value);
            ReadOnlyMemory<char> text = default;
            path?.Invoke(ref text);
        }
    }

    private IDataView Rows(params string[] prompts) =>
        _ml.Data.LoadFromEnumerable(prompts.Select(prompt => new PromptRow { Prompt = prompt }));

    private VideoGenerationTransformer Transformer(IDataView rows, VideoGenerationTransformOptions options)
    {
        options.GeneratorName = Guid.NewGuid().ToString();
        VideoGeneratorRegistry.Register(options.GeneratorName, () => _generator);
        return _ml.Transforms.GenerateVideo(options).Fit(rows);
    }

    private static SchemaShape SchemaShapeOf(IDataView view)
    {
        // The one public way to a shape: an estimator's output over nothing is what SchemaShape.Create makes of a schema.
        var create = typeof(SchemaShape).GetMethod("Create",
            System.Reflection.BindingFlags.Static | System.Reflection.BindingFlags.NonPublic | System.Reflection.BindingFlags.Public)!;
        return (SchemaShape)create.Invoke(null, [view.Schema])!;
    }

    private sealed class Collect(Action<VideoGenerationProgress> add) : IProgress<VideoGenerationProgress>
    {
        public void Report(VideoGenerationProgress value) => add(value);
    }

    private sealed class PromptRow
    {
        public string Prompt { get; set; } = "";
    }

    private sealed class FullRow
    {
        public string Prompt { get; set; } = "";

        public string Image { get; set; } = "";

        public long Seed { get; set; }
    }

    private sealed class NumberRow
    {
        public string Prompt { get; set; } = "";

        public double Seed { get; set; }
    }

    private sealed class VideoRow
    {
        public string Prompt { get; set; } = "";

        [VideoType]
        public MLVideo? Video { get; set; }
    }

    private sealed class PathRow
    {
        [VideoType]
        public MLVideo? Video { get; set; }

        public string Path { get; set; } = "";
    }
}
