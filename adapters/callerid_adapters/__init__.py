"""callerid in each framework's own conventions. Import the module of your framework; each needs the extra of its name."""
