/** The page is being built. */
export function ProjectPage() {
  return <p>Not built yet.</p>;
}
