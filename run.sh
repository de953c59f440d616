#!/usr/bin/env bash
# Makes a video from a prompt: ./run.sh "a prompt" [options of 'turbodiffusion generate']. Installs and builds what is missing.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
"$here/.ci/install-missing" ffmpeg

program="$here/src/TurboDiffusion.Cli/bin/Release/net10.0/TurboDiffusion.Cli.dll"
changed() { find "$here/src" "$here"/Directory.* "$here/global.json" \( -name bin -o -name obj \) -prune -o -type f -newer "$program" -print -quit; }
if [ ! -f "$program" ] || [ -n "$(changed)" ]; then
  echo "Building ..." >&2
  # From the repository, so that its global.json and settings hold wherever the user stands.
  (cd "$here" && dotnet build src/TurboDiffusion.Cli -c Release -v quiet --nologo ${TURBODIFFUSION_BACKEND:+-p:TorchBackend=$TURBODIFFUSION_BACKEND} >&2)
  touch "$program"
fi
exec dotnet "$program" generate "$@"
