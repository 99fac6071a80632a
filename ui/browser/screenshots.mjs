// Takes a picture of every screen in both themes, with real data of the demo, into docs/images.
//
//   scripts/screenshots           all of them
//   scripts/screenshots servers   only those whose name contains a word

import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { furnish, screens, useTheme } from "./screens.mjs";
import { signIn, startBrowser, startWorld } from "./world.mjs";

const folder = process.env.SCREENSHOTS ?? fileURLToPath(new URL("../../docs/images/", import.meta.url));
const wanted = process.argv[2] ?? "";
mkdirSync(folder, { recursive: true });

const world = await startWorld({ silent: true });
const browser = await startBrowser(world);
let failed = false;
try {
  await furnish(world);
  const width = Number(process.env.WIDTH ?? 1280);
  const context = await browser.newContext({
    viewport: { width, height: Number(process.env.HEIGHT ?? 800) },
  });
  const page = await context.newPage();
  page.on("console", (message) => {
    failed = true;
    console.error(`console ${message.type()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => {
    failed = true;
    console.error(`error: ${error.message}`);
  });
  await page.goto(`${world.url}/ui/`);
  for (const theme of ["light", "dark"]) {
    if (!"sign-in".includes(wanted)) break;
    await useTheme(page, theme);
    await page.reload();
    await page.getByRole("button", { name: "Sign in" }).waitFor();
    await page.screenshot({ path: `${folder}/sign-in-${theme}.png` });
  }
  await signIn(page, world);
  for (const [name, go] of screens) {
    if (!name.includes(wanted)) continue;
    for (const theme of ["light", "dark"]) {
      await useTheme(page, theme);
      try {
        await go(page, world);
      } catch (error) {
        failed = true;
        console.error(`${name} (${theme}): ${error.message}`);
      }
      await page.screenshot({ path: `${folder}/${name}-${theme}.png` });
    }
  }
} finally {
  await browser.close();
  await world.stop();
}
process.exitCode = failed ? 1 : 0;
