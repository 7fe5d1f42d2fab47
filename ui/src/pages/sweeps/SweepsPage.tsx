/** The page is being built. */
export function SweepsPage() {
  return <p>Not built yet.</p>;
}
