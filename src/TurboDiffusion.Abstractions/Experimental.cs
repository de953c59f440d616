using System.Diagnostics.CodeAnalysis;

// Every type of the package may still change: its users opt in by suppressing this id.
[assembly: Experimental(
    "TDIFF001",
    Message = "The types of this package may still change. To use them, put <NoWarn>$(NoWarn);TDIFF001</NoWarn> into the project file.")]
