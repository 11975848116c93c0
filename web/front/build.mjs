// Builds the bundles into web/static/dist, named by content, and writes manifest.json beside them.
//   node build.mjs            build into ../static/dist
//   node build.mjs FOLDER     build somewhere else (the test compares that with what is committed)
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const out = resolve(process.argv[2] ?? join(here, "../static/dist"));

mkdirSync(out, { recursive: true });
for (const name of readdirSync(out)) rmSync(join(out, name));

const result = await build({
  absWorkingDir: here,
  entryPoints: [
    { in: "src/app.ts", out: "app" },
    { in: "src/console.ts", out: "console" },
    { in: "src/check.ts", out: "check" },
    { in: "src/docs.ts", out: "docs" },
    { in: "src/flow.tsx", out: "flow" },
    { in: "css/seatline.css", out: "seatline" },
    { in: "css/flow.css", out: "drawing" },
    { in: "assets/mark.svg", out: "mark" },
  ],
  outdir: out,
  entryNames: "[name].[hash]",
  assetNames: "[name].[hash]",
  bundle: true,
  minify: true,
  charset: "utf8",
  format: "iife",
  target: ["chrome123", "firefox121", "safari17.5"],
  legalComments: "inline",
  loader: { ".woff2": "file", ".svg": "copy" },
  jsx: "automatic",
  define: { "process.env.NODE_ENV": '"production"', global: "globalThis" },
  metafile: true,
  logLevel: "warning",
});

// app.3F2A.js -> app.js
const manifest = {};
for (const path of Object.keys(result.metafile.outputs)) {
  const file = basename(relative(here, resolve(here, path)));
  manifest[file.replace(/\.[A-Z0-9]{8}\./, ".")] = file;
}
const sorted = Object.fromEntries(Object.entries(manifest).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(join(out, "manifest.json"), JSON.stringify(sorted, null, 2) + "\n");

// What the bundles were made of, so that a machine without Node can tell that they are stale.
const inputs = Object.keys(result.metafile.inputs).filter((path) => !path.startsWith("node_modules/"));
const sources = {};
for (const path of [...inputs, "build.mjs", "package-lock.json"].sort())
  sources[path] = createHash("sha256").update(readFileSync(join(here, path))).digest("hex");
writeFileSync(join(out, "sources.json"), JSON.stringify(sources, null, 2) + "\n");

// What travels is compressed once, here: these hold nobody's secret, unlike pages (see web/compressed.py).
for (const name of readdirSync(out).filter((name) => /\.[A-Z0-9]{8}\.(js|css|svg)$/.test(name)))
  writeFileSync(join(out, `${name}.gz`), gzipSync(readFileSync(join(out, name)), { level: 9 }));

copyFileSync(join(here, "assets/inter-LICENSE.txt"), join(out, "inter-LICENSE.txt"));
copyFileSync(join(here, "LICENSES.txt"), join(out, "LICENSES.txt"));
