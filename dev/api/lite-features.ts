// lite reads it once, when its module is loaded: imported before lite.
process.env['EXPERIMENTAL_STORAGE'] = '1'
