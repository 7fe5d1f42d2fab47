/** Where the server is, and how it is asked. */

const page = typeof document === "undefined" ? null : document; // there is none in tests
const root = page?.querySelector<HTMLMetaElement>('meta[name="treering-root"]')?.content ?? "";

/** The prefix under which a proxy shows the server, such as "/tracking"; "" for none. */
export const ROOT = root;
export const API = `${root}/api/v1`;

/** A failure as the server tells it; `status` 0 means that there was no answer at all. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
    this.name = "ApiError";
  }
}

/** Parameters of an address: undefined is left out, a list gives one parameter for each item. */
export type Query = Record<string, string | number | boolean | readonly string[] | undefined>;

export function address(path: string, query: Query = {}): string {
  const found = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) found.append(name, String(one));
  }
  const text = found.toString();
  return `${API}${path}${text && "?"}${text}`;
}

declare global {
  interface Window {
    /** Questions that were asked before this script was here, by address and body: see `boot.ts`. */
    treeringEarly?: Map<string, Promise<Response>>;
    /** Until all of them are asked: some need the answers of others. */
    treeringAsked?: Promise<void>;
    /** The page asks for itself now. */
    treeringLate?: boolean;
  }
}

/** What was asked early is as new as the page itself only for a moment. */
const EARLY_MS = 10_000;

/** The answer to a question that has been asked already; each is given once, unless it is to be kept. */
export function takeEarly(url: string, body: string, keep = false): Promise<Response> | undefined {
  const early = page?.defaultView?.treeringEarly;
  const name = `${url} ${body}`;
  const found = early?.get(name);
  if (!keep) early?.delete(name);
  return found && performance.now() < EARLY_MS ? found : undefined;
}

export async function ask(url: string, init: RequestInit = {}): Promise<Response> {
  let answer: Response;
  try {
    answer = await (takeEarly(url, String(init.body ?? "")) ?? fetch(url, { credentials: "same-origin", ...init }));
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, "unreachable", "The server does not answer. Is `treering ui` still running?");
  }
  if (!answer.ok) throw await failure(answer);
  return answer;
}

async function failure(answer: Response): Promise<ApiError> {
  try {
    const { error } = (await answer.json()) as { error: { code: string; message: string } };
    return new ApiError(answer.status, error.code, error.message);
  } catch {
    return new ApiError(answer.status, "error", `The server answered ${answer.status}.`);
  }
}

export async function get<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
  const answer = await ask(address(path, query), signal ? { signal } : {});
  return (await answer.json()) as T;
}

export async function send<T>(
  method: "POST" | "PATCH" | "DELETE" | "PUT",
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<T> {
  const answer = await ask(address(path), {
    method,
    headers: body === undefined ? headers : { ...headers, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return (answer.status === 204 ? undefined : await answer.json()) as T;
}
