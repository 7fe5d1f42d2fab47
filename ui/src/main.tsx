import "./theme/mantine.css";
import "./theme/tokens.css";
import "./theme/global.css";
import { MantineProvider } from "@mantine/core";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { ApiError, ROOT } from "./api/client";
import { prepare } from "./pages/project/prepare";
import { router } from "./router";
import { LaterTime } from "./shell/Later";
import { colours } from "./theme/colours";
import { theme } from "./theme/theme";

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // What changes is pushed; what was read stays good until then.
      staleTime: 60_000,
      refetchOnWindowFocus: false,
      // Who is refused, or finds nobody, is told so at once.
      retry: (count, error) => count < 2 && !(error instanceof ApiError && error.status < 500),
    },
  },
});

async function start(place: HTMLElement): Promise<void> {
  const { pathname } = window.location;
  if (window.treeringEarly) await Promise.all([prepare(queries, pathname.slice(ROOT.length + 1)), router.load()]);
  createRoot(place).render(
    <StrictMode>
      <MantineProvider
        theme={theme}
        colorSchemeManager={colours}
        defaultColorScheme="auto"
        withCssVariables={false}
        withGlobalClasses={false}
      >
        <QueryClientProvider client={queries}>
          <LaterTime>
            <RouterProvider router={router} />
          </LaterTime>
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  );
}

const place = document.getElementById("root");
if (place) void start(place);
