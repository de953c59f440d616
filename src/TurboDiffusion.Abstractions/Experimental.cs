using System.Diagnostics.CodeAnalysis;

// Every type of the package may still change: its users opt in by suppressing this id.
[assembly: Experimental("TDIFF001")]
