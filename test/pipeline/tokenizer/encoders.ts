/**
 * The two encoders that must agree: tests of ids loop over them.
 */
export const ENCODERS = ["kernel", "typescript"] as const;
