/** Reading collections and versions, and hearing when there are new ones. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { get, type Query } from "../../api/client";
import { listen } from "../../api/live";
import type { Collection, CollectionPage, Plan, Working } from "./types";

export function useCollections(project: string) {
  return useQuery({
    queryKey: ["artifacts", project],
    queryFn: ({ signal }) => get<Collection[]>("/artifact-collections", { project }, signal),
  });
}

export function useCollection(project: string, name: string, limit: number) {
  return useQuery({
    queryKey: ["artifacts", project, name, limit],
    queryFn: ({ signal }) => get<CollectionPage>("/artifact-collection", { project, name, limit }, signal),
    placeholderData: (before) => before,
  });
}

const GATHER_MS = 3000;

/** Read a project's artifacts anew when something happens to its runs: a version comes with news of the run that made it. */
export function useArtifactNews(project: string): void {
  const queries = useQueryClient();
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stop = listen(
      { project, runs: [], keys: [], x: "_step" },
      {
        run: () => {
          timer ??= setTimeout(() => {
            timer = undefined;
            void queries.invalidateQueries({ queryKey: ["artifacts", project] });
          }, GATHER_MS);
        },
      },
    );
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, [project, queries]);
}

const AGAIN_MS = 400;

/** Something that takes the server a while: asked for again until it is done. */
export function useWorked<T extends Working>(path: string, query: Query, enabled = true) {
  return useQuery({
    queryKey: ["worked", path, query],
    queryFn: ({ signal }) => get<T>(path, query, signal),
    refetchInterval: ({ state }) => (state.data?.state === "working" ? AGAIN_MS : false),
    enabled,
  });
}

export const usePlan = (query: Query, enabled = true) => useWorked<Plan>("/artifact-plan", query, enabled);
