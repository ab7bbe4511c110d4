/** Between what stands apart on the screen: two figures are not to be read out as one. */
export function Apart() {
  return <span className="unseen">, </span>;
}
