/// <reference types="vite/client" />

declare module "virtual:theme.css";
declare const __UI_VERSION__: string;
