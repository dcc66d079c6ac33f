#!/usr/bin/env bash
# Tesseract with English, German and orientation data, and Python's venv: installs what is missing, or says how to.
# With a second argument `browser` the Chromium, too, that the tests of the report open its pages in.
set -euo pipefail
python="${1:-python3}"

missing=()
languages=$(tesseract --list-langs 2>/dev/null || true)
command -v tesseract >/dev/null || missing+=(tesseract-ocr)
for language in eng deu osd; do
    grep -qx "$language" <<<"$languages" || missing+=("tesseract-ocr-$language")
done
if [ "${2:-}" = browser ] && ! command -v chromium chromium-browser google-chrome >/dev/null; then
    missing+=(chromium)
fi
"$python" -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
[ "${#missing[@]}" -eq 0 ] && exit 0

if [ "$(id -u)" -eq 0 ]; then
    as_root=()
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root=(sudo -n)
else
    as_root=(false)
fi
if ! command -v apt-get >/dev/null || [ "${as_root[*]}" = false ]; then
    echo "These system packages are missing, and this account may not install them: ${missing[*]}" >&2
    echo "Ask an administrator to run:  apt-get install ${missing[*]}" >&2
    exit 1
fi
echo "installing system packages: ${missing[*]}"
"${as_root[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
