/**
 * A page of the disk in a real browser, without a network: what it logs, asks for and fails at is remembered.
 */
import { pathToFileURL } from "node:url";

/** What is used of playwright-core, whose own types need those of a browser. */
interface Playwright {
  readonly chromium: {
    launch(
      options: object,
    ): Promise<{ newContext(options: object): Promise<Context>; close(): Promise<void> }>;
  };
}
interface Context {
  newPage(): Promise<Page>;
}

/** A tab. */
export interface Page {
  goto(url: string): Promise<unknown>;
  on(event: string, listener: (what: never) => void): void;
  /** Runs an expression in the page. */
  evaluate<T>(expression: string): Promise<T>;
  locator(selector: string): Locator;
  emulateMedia(options: { readonly colorScheme: "light" | "dark" }): Promise<void>;
  setViewportSize(size: { readonly width: number; readonly height: number }): Promise<void>;
  screenshot(options: { readonly path?: string }): Promise<Buffer>;
  readonly keyboard: { press(key: string): Promise<void> };
  readonly mouse: { click(x: number, y: number): Promise<void> };
}

/** Elements of the page. */
export interface Locator {
  allInnerTexts(): Promise<string[]>;
  textContent(): Promise<string | null>;
  getAttribute(name: string): Promise<string | null>;
  boundingBox(): Promise<{ x: number; y: number; width: number; height: number } | null>;
  click(): Promise<void>;
  check(): Promise<void>;
  fill(text: string): Promise<void>;
  focus(): Promise<void>;
  press(key: string): Promise<void>;
  selectOption(value: string): Promise<unknown>;
  inputValue(): Promise<string>;
  isVisible(): Promise<boolean>;
  isDisabled(): Promise<boolean>;
  count(): Promise<number>;
  nth(index: number): Locator;
  locator(selector: string): Locator;
}

/** An open browser. */
export interface OpenBrowser {
  /** Opens a file. `troubles` are what went wrong since: messages of the console, errors, and requests other than for the file. */
  open(path: string): Promise<{ readonly page: Page; readonly troubles: readonly string[] }>;
  close(): Promise<void>;
}

const SWITCHES = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Starts a browser without a window, in a profile of its own. */
export async function openBrowser(executablePath: string): Promise<OpenBrowser> {
  // By name in a variable, so that types can be checked where the package is not installed.
  const name = "playwright-core";
  const { chromium } = (await import(name)) as Playwright;
  const running = await chromium.launch({ executablePath, headless: true, args: SWITCHES });
  return {
    async open(path) {
      const context = await running.newContext({
        viewport: { width: 1180, height: 1180 },
        offline: true,
        colorScheme: "light",
      });
      const page = await context.newPage();
      const url = pathToFileURL(path).href;
      const troubles: string[] = [];
      page.on("console", (message: { type(): string; text(): string }) => {
        troubles.push(`${message.type()}: ${message.text()}`);
      });
      page.on("pageerror", (error: Error) => troubles.push(`error: ${error.message}`));
      page.on("dialog", (dialog: { message(): string; dismiss(): Promise<void> }) => {
        troubles.push(`dialog: ${dialog.message()}`);
        void dialog.dismiss();
      });
      page.on("request", (request: { url(): string }) => {
        if (request.url() !== url) troubles.push(`request: ${request.url()}`);
      });
      await page.goto(url);
      return { page, troubles };
    },
    close: () => running.close(),
  };
}
