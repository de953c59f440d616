using TorchSharp;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Checkpoints.PyTorch;

/// <summary>A view of a storage, checked: every element that it names lies inside the storage.</summary>
internal sealed class StoredTensor
{
    private readonly PickleTensor _view;

    /// <param name="path">The file, for messages.</param>
    /// <param name="fileLength">Its bytes.</param>
    /// <param name="name">The tensor's name.</param>
    /// <param name="view">The view as the file gives it.</param>
    public StoredTensor(string path, long fileLength, string name, PickleTensor view)
    {
        _view = view;
        Info = new TensorInfo(name, view.Storage.Dtype, view.Sizes);
        if (!Info.HasSaneName) throw new CheckpointException(path,
            $"has tensor {Quoted.Name(name)}, whose name has {name.Length} characters. It is corrupt.");
        // A stride of 0 repeats elements: a few bytes may stand for many, but not for more than the whole file.
        if (!Info.HasSaneSize || view.Sizes.Length != view.Strides.Length || view.Strides.Any(s => s < 0) || Info.ByteCount > fileLength)
            throw new CheckpointException(path,
                $"has tensor {Quoted.Name(name)} of {Info} with strides [{string.Join(", ", view.Strides)}] in {fileLength} bytes. It is "
                    + "truncated or corrupt.");
        Int128 last = view.Offset;
        for (int i = 0; i < view.Sizes.Length; i++) last += (Int128)(view.Sizes[i] - 1) * view.Strides[i];
        if (Info.ElementCount > 0 && (view.Offset < 0 || last >= view.Storage.Count))
            throw new CheckpointException(path,
                $"has tensor {Quoted.Name(name)} of {Info} reaching to element {last} of a storage of {view.Storage.Count}. It is "
                    + "truncated or corrupt.");
        SpanLength = Info.ElementCount > 0 ? (long)last - view.Offset + 1 : 0;
    }

    public TensorInfo Info { get; }

    public PickleStorage Storage => _view.Storage;

    /// <summary>The elements from the first to the last one used.</summary>
    public long SpanLength { get; }

    public long ByteOffset => Info.ElementCount > 0 ? _view.Offset * ScalarTypes.Bytes(Info.Dtype) : 0;

    public bool IsContiguous
    {
        get
        {
            long expected = 1;
            for (int i = Info.Shape.Count - 1; i >= 0; i--)
            {
                if (_view.Sizes[i] != 1 && _view.Strides[i] != expected) return false;
                expected *= _view.Sizes[i];
            }
            return true;
        }
    }

    /// <summary>Reads the tensor, contiguous, from the storage's place in the file.</summary>
    public torch.Tensor Read(CheckpointFile file, long storagePosition)
    {
        long position = storagePosition + ByteOffset;
        if (IsContiguous || SpanLength == 0) return file.ReadTensor(Info, position);
        using torch.Tensor span = file.ReadTensor(Info with { Shape = [SpanLength] }, position);
        using torch.Tensor view = span.as_strided(_view.Sizes, _view.Strides);
        return view.contiguous();
    }
}
