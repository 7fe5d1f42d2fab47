/** The page is being built. */
export function ComparePage() {
  return <p>Not built yet.</p>;
}
