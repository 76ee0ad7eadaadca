// The lightest server that Node can be: what is measured against it is the price of everything else.
import { createServer } from 'node:http';

createServer((_request, response) => response.end('ok\n')).listen(Number(process.argv[2]), '127.0.0.1');
