import { createTheme, Drawer, Menu, Modal, Popover, Select, Tooltip } from "@mantine/core";

// The server's policy takes styles from files only. Mantine's variables come from default-css-variables.css and
// tokens.css, and a scroll lock (which writes a style element) stays off everywhere.
const noScrollLock = { lockScroll: false } as const;

export const theme = createTheme({
  primaryColor: "teal",
  cursorType: "pointer",
  components: {
    Modal: Modal.extend({
      defaultProps: {
        ...noScrollLock,
        centered: true,
        closeButtonProps: { "aria-label": "Close" },
        // The head of a dialog is none of the page.
        attributes: { header: { role: "presentation" } },
      },
    }),
    Drawer: Drawer.extend({ defaultProps: noScrollLock }),
    Menu: Menu.extend({ defaultProps: { shadow: "md", transitionProps: { duration: 0 } } }),
    Popover: Popover.extend({ defaultProps: { shadow: "md", transitionProps: { duration: 0 } } }),
    Select: Select.extend({ defaultProps: { size: "xs", comboboxProps: { shadow: "md" } } }),
    Tooltip: Tooltip.extend({ defaultProps: { openDelay: 400, withArrow: true } }),
  },
});
