/// <reference types="vitest/config" />
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import { build, defineConfig, type Plugin } from "vite";

const TARGET = ["chrome111", "edge111", "firefox114", "safari16.4"];
const TEXT = /\.(js|css|svg)$/;

/** What the page needs before anything else: the icon, and a script that sets the colours before the first paint. */
function early(): Plugin {
  return {
    name: "treering-early",
    apply: "build",
    async generateBundle() {
      // By itself and at once, not as a module: it runs before the first paint.
      const entry = fileURLToPath(new URL("src/boot.ts", import.meta.url));
      const made = await build({
        configFile: false,
        logLevel: "warn",
        build: { write: false, target: TARGET, lib: { entry, formats: ["iife"], name: "boot" } },
      });
      const [first] = [made].flat();
      const source = first && "output" in first ? first.output[0].code : this.error("boot.ts could not be built");
      this.emitFile({ type: "asset", name: "boot.js", source });
      this.emitFile({
        type: "asset",
        fileName: "assets/icon.svg",
        source: readFileSync(new URL("src/icon.svg", import.meta.url)),
      });
    },
    transformIndexHtml: {
      order: "post",
      handler(html, { bundle }) {
        const name = Object.keys(bundle ?? {}).find((file) => /boot-[^/]+\.js$/.test(file));
        // The page's own scripts are loaded by that one, after the first frame.
        const later: string[] = [];
        const rest = html.replace(
          /\s*<(?:script type="module"|link rel="modulepreload") crossorigin (?:src|href)="([^"]+)">(?:<\/script>)?/g,
          (_all, file: string) => {
            later.push(file);
            return "";
          },
        );
        if (!name || !later.length) this.error("index.html has no scripts of its own");
        // The server completes what an attribute begins with: the others lie beside the first.
        const [main, ...others] = later.map((file, at) => (at ? file.replace(/^.*\//, "") : file));
        const boot = `<script src="./${name}" data-main="${main}" data-with="${others.join(" ")}"></script>`;
        return rest.replace("</title>", `</title>\n    ${boot}`);
      },
    },
  };
}

/** Each file once more, compressed as well as can be: the server sends these as they are. */
function compressed(): Plugin {
  return {
    name: "treering-compressed",
    apply: "build",
    generateBundle: {
      order: "post",
      handler(_options, bundle) {
        for (const [fileName, file] of Object.entries(bundle)) {
          if (!TEXT.test(fileName)) continue;
          const bytes = Buffer.from(file.type === "chunk" ? file.code : file.source);
          if (bytes.length < 1024) continue;
          const params = { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
          this.emitFile({ type: "asset", fileName: `${fileName}.br`, source: brotliCompressSync(bytes, { params }) });
          this.emitFile({ type: "asset", fileName: `${fileName}.gz`, source: gzipSync(bytes, { level: 9 }) });
        }
      },
    },
  };
}

export default defineConfig({
  // Relative, so that one build works behind any prefix; the server completes the addresses in the page.
  base: "./",
  plugins: [react(), early(), compressed()],
  build: {
    outDir: "../treering/server/static",
    emptyOutDir: true,
    target: TARGET,
    assetsInlineLimit: 0, // the server's policy takes no data: addresses for styles and scripts
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 900,
    rolldownOptions: {
      output: {
        codeSplitting: {
          // What the first page needs is two files and not seventy, each of which the server would be asked for.
          groups: [
            { name: "libraries", tags: ["$initial"], test: /node_modules/, priority: 2 },
            { name: "first", tags: ["$initial"], priority: 1 },
          ],
        },
      },
    },
  },
  server: {
    proxy: {
      "/api": {
        target: process.env.TREERING_UI_SERVER ?? "http://127.0.0.1:8265",
        headers: { authorization: `Bearer ${process.env.TREERING_UI_TOKEN ?? ""}` },
      },
    },
  },
  test: { include: ["src/**/*.test.{ts,tsx}"] },
});
