/**
 * Glob patterns: `*` and `?` inside a name, `**` for any folders, `[a-z]`, `{one,two}`. Names that start with a dot are matched only by a dot.
 * Written here because that of node:fs is experimental in the oldest Node we run on and does not follow links to folders.
 */

/** True when a path holds characters that make it a pattern. */
export function isGlob(pattern: string): boolean {
  return /[*?[{]/.test(pattern);
}

/** The folder part before the first wildcard, and the pattern from there on. */
export function splitGlob(pattern: string): { readonly folder: string; readonly rest: string } {
  const parts = pattern.split("/");
  const first = parts.findIndex(isGlob);
  const folder = parts.slice(0, first).join("/");
  return {
    folder: folder === "" ? (pattern.startsWith("/") ? "/" : ".") : folder,
    rest: parts.slice(first).join("/"),
  };
}

/** The regular expression for whole paths with `/`. */
export function globExpression(pattern: string): RegExp {
  let out = "";
  let braces = 0;
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern[i]!;
    if (pattern.startsWith("**/", i) && (i === 0 || pattern[i - 1] === "/")) {
      out += "(?:[^/]+/)*";
      i += 2;
    } else if (pattern.startsWith("**", i) && i + 2 === pattern.length) {
      out += ".*";
      i += 1;
    } else if (c === "*") out += "[^/]*";
    else if (c === "?") out += "[^/]";
    else if (c === "[") {
      const end = pattern.indexOf("]", i + 2);
      if (end < 0) out += "\\[";
      else {
        out += `[${pattern
          .slice(i + 1, end)
          .replace(/^!/, "^")
          .replaceAll("\\", "\\\\")}]`;
        i = end;
      }
    } else if (c === "{" && pattern.includes("}", i)) {
      out += "(?:";
      braces++;
    } else if (c === "}" && braces > 0) {
      out += ")";
      braces--;
    } else if (c === "," && braces > 0) out += "|";
    else out += c.replace(/[.+^$()|\\{}[\]]/, "\\$&");
  }
  return new RegExp(`^${out}$`, "u");
}
