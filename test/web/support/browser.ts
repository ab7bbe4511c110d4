import { execFileSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import chromium from '@sparticuz/chromium';
import axe from 'axe-core';
import { type Browser, type Page, chromium as playwright } from 'playwright-core';

const root = dirname(dirname(dirname(import.meta.dirname)));

/** Builds the page that servers of this clone serve, when it is not up to date. */
export function buildPage(): void {
  execFileSync(process.execPath, [join(root, 'scripts', 'setup.mjs')]);
}

/**
 * In one process Chromium ends with the first tab that is closed; the page has to live with a browser's security; and a
 * graphics card made of software takes a quarter of all its CPU.
 */
const unwanted = [
  '--single-process',
  '--disable-web-security',
  '--allow-running-insecure-content',
  '--use-gl=angle',
  '--use-angle=swiftshader',
  '--enable-unsafe-swiftshader',
];
const wanted = ['--no-sandbox', '--disable-background-networking', '--disable-gpu', '--disable-software-rasterizer'];

export async function launched(): Promise<Browser> {
  return playwright.launch({
    executablePath: await chromium.executablePath(),
    args: [...chromium.args.filter(arg => !unwanted.includes(arg)), ...wanted],
    headless: true,
  });
}

type Violation = { readonly id: string; readonly nodes: readonly { readonly html: string }[] };

/** What axe finds against WCAG 2.2 AA, one line each. */
export async function axeViolations(page: Page): Promise<readonly string[]> {
  // Given to the page by the debugger: its own policy admits no script but its own.
  await page.evaluate(axe.source);
  const run =
    "axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })";
  const violations = await page.evaluate<Violation[]>(`${run}.then(result => result.violations)`);
  return violations.flatMap(({ id, nodes }) => nodes.map(node => `${id}: ${node.html.slice(0, 160)}`));
}

/** Whether the last bars of the chart have the green of what was delivered. */
export const greenAtTheEnd = (page: Page) =>
  page.evaluate<boolean>(`(() => {
    const canvas = document.querySelector('.plot canvas');
    const over = document.querySelector('.u-over').getBoundingClientRect();
    const box = canvas.getBoundingClientRect();
    const scale = canvas.width / box.width;
    const width = over.width * 0.05;
    const area = [over.right - width - box.left, over.top - box.top, width, over.height].map(px => Math.round(px * scale));
    const { data } = canvas.getContext('2d').getImageData(...area);
    return data.some((green, at) => at % 4 === 1 && green > data[at - 1] + 30 && data[at + 2] > 200);
  })()`);

/** Where the bars of the chart are. */
export async function chartBox(page: Page) {
  const box = await page.locator('.u-over').boundingBox();
  if (box === null) throw new Error('there is no chart');
  return box;
}
