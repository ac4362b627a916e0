"""Interactive 3D pages: poses in the cloud, beside the picture and charts over time.

`scene.Scene` holds what is shown, `data.pack` turns it into the page's data, and
`embed.embed` gives the HTML that `report.page` puts into a page. The page's own code is
in `page/`; `libraries.min.js` is three.js and uPlot (see `libraries/README.md`).
"""
