import { BlockList, isIP } from 'node:net';

/** The networks as one list, each as `10.0.0.0/8` or one address. It looks at IPv4 addresses inside IPv6 ones as such. */
export function listOf(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', prefix] = network.split('/');
    const family = isIP(address) === 4 ? 'ipv4' : 'ipv6';
    list.addSubnet(address, Number(prefix ?? (family === 'ipv4' ? 32 : 128)), family);
  }
  return list;
}
