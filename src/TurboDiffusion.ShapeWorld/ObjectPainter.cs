using SkiaSharp;

namespace TurboDiffusion.ShapeWorld;

/// <summary>Draws one object, frame after frame: halo and outline, body, texture, and light from the top left.</summary>
internal sealed class ObjectPainter : IDisposable
{
    private readonly SKPath _path;
    private readonly Texture _texture;
    private readonly SKPaint _halo, _outline, _body, _pattern, _light;
    private readonly SKShader _shader;

    public ObjectPainter(SceneObject sceneObject)
    {
        _path = ShapePaths.Create(sceneObject.Shape);
        _texture = sceneObject.Texture;
        var (r, g, b) = Palette.Of(sceneObject.Color);
        _halo = Stroke(new SKColor(255, 255, 255, 80), 0.22f);
        _outline = Stroke(Darker(r, g, b, 0.42f), 0.13f);
        _body = new SKPaint { Color = new SKColor(r, g, b), IsAntialias = true };
        // Grey on white is seen more easily than the darker tones of the others.
        float tone = sceneObject.Color == ShapeColor.White ? 0.74f : 0.64f;
        _pattern = new SKPaint { Color = Darker(r, g, b, tone), IsAntialias = true };
        // Light and shade leave the middle as it is.
        _shader = SKShader.CreateLinearGradient(
            new SKPoint(-0.8f, -1), new SKPoint(0.8f, 1),
            [new SKColor(255, 255, 255, 110), new SKColor(255, 255, 255, 0), new SKColor(0, 0, 0, 0), new SKColor(0, 0, 0, 60)],
            [0, 0.4f, 0.6f, 1], SKShaderTileMode.Clamp);
        _light = new SKPaint { Shader = _shader, IsAntialias = true };
    }

    public void Draw(SKCanvas canvas, ObjectPose pose)
    {
        if (pose.Opacity <= 0) return;
        canvas.Save();
        if (pose.Opacity < 1)
        {
            using var layer = new SKPaint { Color = new SKColor(0, 0, 0, (byte)MathF.Round(pose.Opacity * 255)) };
            float reach = Motions.Reach * pose.Radius;
            canvas.SaveLayer(new SKRect(pose.X - reach, pose.Y - reach, pose.X + reach, pose.Y + reach), layer);
        }
        canvas.Translate(pose.X, pose.Y);
        canvas.Scale(pose.Radius);
        canvas.Save();
        canvas.RotateRadians(pose.Angle);
        canvas.DrawPath(_path, _halo);
        canvas.DrawPath(_path, _outline);
        canvas.DrawPath(_path, _body);
        if (_texture != Texture.Plain) DrawTexture(canvas);
        // The clip turns with the object, the light does not.
        canvas.ClipPath(_path, antialias: true);
        canvas.RotateRadians(-pose.Angle);
        canvas.DrawRect(-Motions.Reach, -Motions.Reach, 2 * Motions.Reach, 2 * Motions.Reach, _light);
        canvas.Restore();
        if (pose.Opacity < 1) canvas.Restore();
        canvas.Restore();
    }

    public void Dispose()
    {
        foreach (SKPaint paint in (SKPaint[])[_halo, _outline, _body, _pattern, _light]) paint.Dispose();
        _shader.Dispose();
        _path.Dispose();
    }

    private void DrawTexture(SKCanvas canvas)
    {
        canvas.Save();
        canvas.ClipPath(_path, antialias: true);
        // The centre keeps the colour of the body.
        if (_texture == Texture.Striped)
            for (int i = -2; i < 2; i++)
                canvas.DrawRect((i + 0.5f) * 0.58f - 0.105f, -Motions.Reach, 0.21f, 2 * Motions.Reach, _pattern);
        else
            for (int row = -2; row <= 2; row++)
                for (int column = -2; column <= 1; column++)
                    canvas.DrawCircle((column + 0.5f + row % 2 * 0.5f) * 0.62f, row * 0.5f, 0.17f, _pattern);
        canvas.Restore();
    }

    private static SKPaint Stroke(SKColor color, float width) => new()
    {
        Color = color,
        IsAntialias = true,
        IsStroke = true,
        StrokeWidth = width,
        StrokeJoin = SKStrokeJoin.Round,
    };

    private static SKColor Darker(byte r, byte g, byte b, float factor) =>
        new((byte)(r * factor), (byte)(g * factor), (byte)(b * factor));
}
