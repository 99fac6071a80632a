import { createTheme } from "@mantine/core";

import type { CSSVariablesResolver, MantineColorsTuple } from "@mantine/core";

const brand: MantineColorsTuple = [
  "#e6f3f6",
  "#cfe5eb",
  "#a3cdd8",
  "#76b4c4",
  "#5ca6b8",
  "#3d92a7",
  "#2a8199",
  "#1e6f85",
  "#175d70",
  "#0f4b5b",
];
const red: MantineColorsTuple = [
  "#fdeeed",
  "#f9dad8",
  "#f2b3af",
  "#ea8b85",
  "#e4695f",
  "#d84a40",
  "#c8352b",
  "#b3261e",
  "#991f18",
  "#7d1712",
];
const dark: MantineColorsTuple = [
  "#d7dce1",
  "#b6bdc6",
  "#929ba6",
  "#6b7581",
  "#434c57",
  "#353d47",
  "#272e36",
  "#1a1f25",
  "#14181d",
  "#0f1216",
];

// The filled shade is chosen for contrast: white text on it has at least 4.5 to 1 (WCAG 2.2, 1.4.3).
export const theme = createTheme({
  primaryColor: "brand",
  primaryShade: 7,
  colors: { brand, red, dark },
  defaultRadius: "sm",
  fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif',
  fontFamilyMonospace: 'ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace',
  fontSizes: { xs: "12px", sm: "13.5px", md: "15px", lg: "17px", xl: "20px" },
  headings: {
    fontWeight: "600",
    sizes: { h1: { fontSize: "22px", lineHeight: "1.3" }, h2: { fontSize: "17px" }, h3: { fontSize: "15px" } },
  },
  cursorType: "pointer",
  respectReducedMotion: true,
  components: {
    // The scroll lock works by a <style> element, which the content security policy forbids; base.css does it instead.
    Modal: {
      defaultProps: {
        lockScroll: false,
        overlayProps: { backgroundOpacity: 0.45 },
        transitionProps: { duration: 120 },
      },
    },
    Drawer: {
      defaultProps: {
        lockScroll: false,
        overlayProps: { backgroundOpacity: 0.45 },
        transitionProps: { duration: 120 },
      },
    },
    Button: { defaultProps: { size: "sm" } },
    SegmentedControl: { defaultProps: { withItemsBorders: false } },
    InputWrapper: { defaultProps: { inputWrapperOrder: ["label", "input", "description", "error"] } },
    TextInput: { defaultProps: { size: "sm" } },
    Tooltip: {
      defaultProps: {
        withArrow: true,
        openDelay: 250,
        multiline: true,
        maw: 340,
        events: { hover: true, focus: true, touch: true },
      },
    },
    Menu: { defaultProps: { shadow: "md", transitionProps: { duration: 100 } } },
  },
});

// Colours of text that Mantine's defaults leave below 4.5 to 1.
export const variables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    "--mantine-color-body": "#ffffff",
    "--mantine-color-text": "#1b2229",
    "--mantine-color-dimmed": "#56606b",
    "--mantine-color-placeholder": "#6a737e",
    "--mantine-color-error": "#b3261e",
    "--mantine-color-anchor": "#1a6579",
    "--mantine-color-default-border": "#d3d9df",
    "--mantine-color-default-color": "#1b2229",
  },
  dark: {
    "--mantine-color-body": "#14181d",
    "--mantine-color-text": "#d7dce1",
    "--mantine-color-dimmed": "#a1aab5",
    "--mantine-color-placeholder": "#8f99a5",
    "--mantine-color-error": "#f19a94",
    "--mantine-color-anchor": "#7cc0d1",
    "--mantine-color-default": "#1a1f25",
    "--mantine-color-default-color": "#d7dce1",
    "--mantine-color-default-border": "#39424c",
    "--mantine-color-brand-light-color": "#a3cdd8",
    "--mantine-color-red-light-color": "#f2b3af",
    "--mantine-color-brand-text": "#7cc0d1",
    "--mantine-color-red-text": "#f19a94",
  },
});
