#!/usr/bin/env bash
# Packs the package, installs it into an empty project, and uses it there as a library and as a command.
set -euo pipefail

project=$(cd "$(dirname "$0")/.." && pwd)
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT

say() { printf '\n== %s\n' "$*"; }
expect() { # what, text, pattern
  if ! grep -qE -- "$3" <<<"$2"; then
    printf '%s: expected %s, got:\n%s\n' "$1" "$3" "$2" >&2
    exit 1
  fi
}

say "pack"
cd "$project"
npm pack --pack-destination "$temporary" >/dev/null
tarball=$(ls "$temporary"/*.tgz)
tar -tzf "$tarball" | grep -vE '\.(map|d\.ts)$'

say "install the tarball into an empty project"
mkdir "$temporary/app"
cd "$temporary/app"
printf '{ "name": "smoke", "private": true, "type": "module" }\n' >package.json
npm install --no-audit --no-fund --prefer-offline --omit=dev "$tarball"

say "as a library"
cp "$project/scripts/smoke/program.mjs" .
node program.mjs

say "as a command"
unset BACKLOG_DATABASE_URL DATABASE_URL
backlog() { npx --no-install backlog "$@"; }
version=$(node -p 'require("mosaic-backlog/package.json").version')
expect "backlog --version" "$(backlog --version)" "${version//./\\.}"
db="$temporary/backlog"
expect "backlog create" "$(backlog create --id first --title "First card" --actor smoke --db "$db" --json)" '"id": ?"first"'
listed=$(backlog list --db "$db" --json)
expect "backlog list" "$listed" '"schemaVersion": ?1'
expect "backlog list" "$listed" '"title": ?"First card"'
printf 'backlog %s: created and listed a card\n' "$version"
