/** Vite writes an imported style into the page's style sheet. */
declare module '*.css' {}
