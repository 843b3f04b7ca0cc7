// Before the page is drawn: the theme that was chosen here before, so that nothing flashes.
try {
  const chosen = JSON.parse(localStorage.getItem("sonoscope-theme"));
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
} catch {
  // Storage may be forbidden; the system's theme then holds.
}
