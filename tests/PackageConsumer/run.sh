#!/usr/bin/env bash
# Packs every package and runs a program outside the solution that has nothing but the packed files.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# A version of its own, so that no copy of an earlier run is taken from NuGet's cache.
version=0.1.0-packed.$(date +%s)
rm -rf ../../artifacts/packages bin obj
dotnet pack ../../TurboDiffusion.Extensions.sln -v quiet --nologo -p:Version="$version"
for package in ../../artifacts/packages/*.nupkg; do
  entries=$(unzip -Z1 "$package") nuspec=$(unzip -p "$package" '*.nuspec')
  for entry in README.md icon.png; do
    grep -qx "$entry" <<<"$entries" || { echo "$package has no $entry" >&2; exit 1; }
  done
  grep -q '<license type="expression">Apache-2.0</license>' <<<"$nuspec" || { echo "$package names no licence" >&2; exit 1; }
  # A package of files alone has none.
  grep -q '^\(lib\|tools\)/.*dll$' <<<"$entries" || continue
  [ -f "${package%.nupkg}.snupkg" ] || { echo "$package has no symbols" >&2; exit 1; }
done
dotnet run -p:TurboDiffusionVersion="$version"
