/** The page is being built. */
export function SweepPage() {
  return <p>Not built yet.</p>;
}
