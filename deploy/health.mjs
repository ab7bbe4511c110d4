/* Ends with 0 when the server of this container can take requests: for HEALTHCHECK, since the image has no curl. */
const { ok } = await fetch(`http://127.0.0.1:${process.env.SENTLOG_PORT}/health/ready`, {
  signal: AbortSignal.timeout(4000),
});
process.exitCode = ok ? 0 : 1;
