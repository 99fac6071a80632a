// Sets the colour scheme before the first paint. A file of its own: the content security policy allows no inline script.
(function () {
  var scheme = null;
  try {
    scheme = window.localStorage.getItem("grantway-color-scheme");
  } catch {
    // Storage may be switched off; the system's preference is used then.
  }
  if (scheme !== "light" && scheme !== "dark") {
    scheme = window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  }
  document.documentElement.setAttribute("data-mantine-color-scheme", scheme);
})();
