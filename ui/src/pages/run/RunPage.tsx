/** The page is being built. */
export function RunPage() {
  return <p>Not built yet.</p>;
}
