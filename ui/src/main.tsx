import "./app/layers.css";
import "@mantine/core/styles.layer.css";
import "@mantine/notifications/styles.layer.css";
import "virtual:theme.css";
import "./app/base.css";

import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { makeQueryClient, Providers } from "./app/Providers";
import { makeRouter } from "./app/router";

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no element with the id root");

const client = makeQueryClient();
createRoot(root).render(
  <StrictMode>
    <Providers client={client}>
      <RouterProvider router={makeRouter(client)} />
    </Providers>
  </StrictMode>,
);
