"""What stands between client and server: proxies that cut, and clients that no library would be."""
