/** The page is being built. */
export function ArtifactsPage() {
  return <p>Not built yet.</p>;
}
