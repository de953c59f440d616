# Sourced by run.sh and test.sh: installs what a fresh Debian or Ubuntu machine lacks.

export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1

if ! command -v dotnet >/dev/null; then
  echo "The .NET 10 SDK is needed and 'dotnet' is not on PATH: https://dotnet.microsoft.com/download/dotnet/10.0" >&2
  exit 1
fi

if ! command -v "${TURBODIFFUSION_FFMPEG:-ffmpeg}" >/dev/null; then
  echo "Installing ffmpeg ..." >&2
  sudo=""
  [ "$(id -u)" -eq 0 ] || sudo="sudo"
  if ! { $sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends ffmpeg; } >/dev/null; then
    echo "ffmpeg is needed and could not be installed. Install it by hand: apt-get install ffmpeg" >&2
    exit 1
  fi
fi
