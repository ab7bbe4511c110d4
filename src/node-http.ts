/**
 * Node's HTTP, taken without an import: of what is imported Node evaluates every export, and among these is a WebSocket
 * client with all that it stands on, which would be six megabytes of every process.
 */
export const http = process.getBuiltinModule('node:http');
export const https = process.getBuiltinModule('node:https');
