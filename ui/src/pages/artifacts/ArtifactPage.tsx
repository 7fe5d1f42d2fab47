/** The page is being built. */
export function ArtifactPage() {
  return <p>Not built yet.</p>;
}
