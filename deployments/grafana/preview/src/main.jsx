// The page: what it shows was put into it as JSON when it was made. It asks nobody anything.
import { createRoot } from 'react-dom/client';

import { prepare } from './fields.js';
import { Page } from './page.jsx';

await prepare();
const given = JSON.parse(document.getElementById('given').textContent);
createRoot(document.getElementById('page')).render(<Page given={given} />);
