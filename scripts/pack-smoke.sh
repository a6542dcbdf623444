#!/usr/bin/env bash
# Packs the package, installs it into an empty project, and uses it there as a library and as a command, with the Node of the
# path. `pack-smoke.sh TARBALL` installs a package that is packed already.
set -euo pipefail

tarball=${1:+$(realpath "$1")}
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
if [ -z "$tarball" ]; then
  npm pack --pack-destination "$temporary" >/dev/null
  tarball=$(ls "$temporary"/*.tgz)
fi
tar -tzf "$tarball" | grep -vE '\.(map|d\.ts)$'

say "the template of embedded databases"
unpacked=$(tar -xOzf "$tarball" package/template | wc -c)
packed=$(tar -xOzf "$tarball" package/template | gzip -9 | wc -c)
printf '%s bytes packed, %s bytes unpacked, of at most 6 MiB\n' "$packed" "$unpacked"
if [ "$unpacked" -eq 0 ] || [ "$packed" -gt $((6 * 1024 * 1024)) ] || [ "$unpacked" -gt $((6 * 1024 * 1024)) ]; then
  printf 'the template is missing or too large\n' >&2
  exit 1
fi

say "install the tarball into an empty project, with Node $(node --version)"
mkdir "$temporary/app"
cd "$temporary/app"
printf '{ "name": "smoke", "private": true, "type": "module" }\n' >package.json
# Fails when a package that is installed does not accept this version of Node.
npm install --no-audit --no-fund --prefer-offline --omit=dev --engine-strict "$tarball"
expect "the copies of effect" "$(find node_modules -path '*node_modules/effect/package.json' | wc -l)" '^ *1$'

say "the installed package creates databases from its template"
node --input-type=module -e '
import { fileURLToPath } from "node:url"
const modules = new URL("./node_modules/mosaic-backlog/", `file://${process.cwd()}/`)
const { loadTemplate } = await import(new URL("dist/services/pglite/NewDatabase.js", modules))
const files = await loadTemplate(fileURLToPath(new URL("template/", modules)), "backlog")
if (files === undefined) throw new Error("the template does not belong to the installed PGlite")
console.log(`${files.files.size} files`)
'

say "as a library"
cp "$project/scripts/smoke/program.mjs" .
node program.mjs
# An empty project can have a CommonJS program, because every entry has the condition `default`.
required=$(node --input-type=commonjs --eval 'console.log(typeof require("mosaic-backlog").BacklogService.layer)' 2>&1)
expect "require" "$required" '^object$'

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
