// Light or dark: the system's theme until the reader chooses.

/** @typedef {'light' | 'dark'} Theme */

const THEME_KEY = 'memprof-theme';

function prefersDark() {
  return matchMedia('(prefers-color-scheme: dark)').matches;
}

/** @returns {Theme} */
export function currentTheme() {
  const { theme } = document.documentElement.dataset;
  if (theme === 'dark' || theme === 'light') return theme;
  return prefersDark() ? 'dark' : 'light';
}

/**
 * localStorage throws in some private and file:// settings; the theme then simply is not remembered.
 * @param {Theme} theme
 */
function rememberTheme(theme) {
  try {
    localStorage.setItem(THEME_KEY, theme);
  } catch {
    /* not remembered */
  }
}

function recallTheme() {
  try {
    return localStorage.getItem(THEME_KEY);
  } catch {
    return null;
  }
}

/**
 * Follows the system until the reader chooses; `onChange` runs whenever colours have to be read again.
 * @param {HTMLElement} button @param {() => void} onChange
 */
export function setUpTheme(button, onChange) {
  const remembered = recallTheme();
  if (remembered === 'dark' || remembered === 'light') document.documentElement.dataset.theme = remembered;
  const showState = () => {
    const next = currentTheme() === 'dark' ? 'light' : 'dark';
    button.textContent = next === 'dark' ? 'Dark' : 'Light';
    button.setAttribute('aria-label', `Switch to the ${next} theme`);
  };
  button.addEventListener('click', () => {
    const next = currentTheme() === 'dark' ? 'light' : 'dark';
    document.documentElement.dataset.theme = next;
    rememberTheme(next);
    showState();
    onChange();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    showState();
    onChange();
  });
  showState();
}
