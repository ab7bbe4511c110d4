// Before anything that loads the chart's library.
import './language.ts';
import 'uplot/dist/uPlot.min.css';
import './styles/base.css';
import './styles/controls.css';
import './styles/dialog.css';
import './styles/search.css';
import './styles/filters.css';
import './styles/overview.css';
import './styles/over-time.css';
import './styles/table.css';
import './styles/drawer.css';
import './styles/rooms.css';
import { createRoot } from 'react-dom/client';
import { App } from './app.tsx';
import { applyTheme, keptTheme } from './parts/frame/theme.ts';

const element = document.getElementById('page');
if (element === null) throw new Error('the document has no place for the page');
applyTheme(keptTheme());
createRoot(element).render(<App />);
